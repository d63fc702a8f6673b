//! A socket in front of the engine's that can hang, or be gone, as the engine's own can.

use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const ENGINE: &str = "/var/run/docker.sock";

/// What the engine seems to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Answers,
    /// Connections stay, and nothing comes.
    Hangs,
    /// Connections break.
    Gone,
}

pub struct Relay {
    pub path: PathBuf,
    mood: watch::Sender<Mood>,
    task: JoinHandle<()>,
}

impl Relay {
    pub fn start(folder: &Path) -> Self {
        let path = folder.join("relay.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let mood = watch::Sender::new(Mood::Answers);
        let moods = mood.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, moods.subscribe()));
            }
        });
        Self { path, mood, task }
    }

    pub fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(mut client: UnixStream, mut mood: watch::Receiver<Mood>) {
    loop {
        let now = *mood.borrow_and_update();
        match now {
            Mood::Gone => return,
            Mood::Hangs => {
                if mood.changed().await.is_err() {
                    return;
                }
            }
            Mood::Answers => break,
        }
    }
    let mut engine = UnixStream::connect(ENGINE).await.unwrap();
    let passed = tokio::io::copy_bidirectional(&mut client, &mut engine);
    let stopped = mood.wait_for(|mood| *mood != Mood::Answers);
    tokio::select! {
        biased;
        stopped = stopped => drop(stopped),
        passed = passed => return drop(passed),
    }
    // Whoever hangs hears nothing of it; afterwards it is too late for this one.
    drop(mood.wait_for(|mood| *mood != Mood::Hangs).await);
}
