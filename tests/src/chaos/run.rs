//! One run: a platform, its writers, the faults, and in the end what the log and the views have.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::Method;

use super::client::Caller;
use super::faults::Driver;
use super::history::{Action, Line, Outcome, Recorder, Run};
use super::options::Options;
use super::record::{self, Record, Stored, Views};
use super::schedule;
use super::stored;
use super::writer::{Ground, Writer};
use crate::platform::{Platform, Setup};
use crate::soak::blocking;

/// How many services everybody changes.
const SHARED: usize = 3;
/// How long the writers go on after the last fault.
const QUIET: Duration = Duration::from_secs(3);

/// Makes a run and leaves its records in the folder.
pub async fn run(options: &Options) -> std::io::Result<Record> {
    let Options {
        seed,
        kills,
        writers,
        ref folder,
        ..
    } = *options;
    std::fs::create_dir_all(folder)?;
    let made = Run {
        seed,
        kills,
        writers,
        began: 0,
    };
    let recorder = Recorder::begin(&folder.join(record::HISTORY), &made)?;
    let setup = setup(options);
    let platform = blocking(move || Platform::start_with(setup)).await;

    let mut ground = Ground::new(recorder);
    let config = platform.config().join("config");
    let url = platform.url("");
    share(
        &mut ground,
        Writer::new(writers, seed, Caller::new(&url, &config).await),
    )
    .await;
    let ground = Arc::new(ground);
    let mut tasks = Vec::new();
    for number in 0..writers {
        let writer = Writer::new(number, seed, Caller::new(&url, &config).await);
        let ground = Arc::clone(&ground);
        tasks.push(tokio::spawn(async move { writer.work(&ground).await }));
    }
    let written = Arc::new(AtomicBool::new(false));
    let driver = {
        let (ground, written) = (Arc::clone(&ground), Arc::clone(&written));
        let lines = File::create(folder.join("platform.log"))?;
        let plan = schedule::plan(seed, kills, options.span());
        tokio::task::spawn_blocking(move || {
            Driver::new(platform, &ground, lines).drive(&plan, QUIET, &written)
        })
    };
    for task in tasks {
        task.await.expect("a writer ends");
    }
    written.store(true, Ordering::SeqCst);
    let (platform, seen) = driver.await.expect("the faults end");
    ground.recorder.write(&Line::Seen(seen))?;
    ground.recorder.flush()?;

    let (log, views) = look(&platform, ground.is_halted()).await;
    record::keep(folder, &log, &views)?;
    blocking(move || drop(platform)).await;
    Record::read(folder)
}

fn setup(options: &Options) -> Setup {
    let text = |text: &str| text.to_owned();
    let mut environment = vec![(text("EAI_LOG"), text("info,eai_core::log=debug"))];
    environment.extend(
        options
            .sabotage
            .iter()
            .map(|guard| (text("EAI_SABOTAGE"), guard.clone())),
    );
    Setup {
        environment,
        ..Setup::default()
    }
}

/// Makes the services that everybody changes.
async fn share(ground: &mut Ground, mut writer: Writer) {
    for number in 0..SHARED {
        let action = Action::NewService(format!("shared_{number}"));
        let command = writer.next_id();
        let made = writer.perform(ground, command, action, false).await;
        let Some(Outcome::Ok { id, .. }) = made else {
            panic!("a service could not be made before the first fault: {made:?}");
        };
        ground.shared.push(id);
    }
}

/// What is in the log and what is shown, before and after folding the views anew.
async fn look(platform: &Platform, halted: bool) -> (Vec<Stored>, Views) {
    let config = platform.config().join("config");
    let caller = Caller::new(&platform.url(""), &config).await;
    let mut wrong = Vec::new();
    let log = stored::read(&platform.data())
        .await
        .unwrap_or_else(|error| {
            wrong.push(format!("the log cannot be read: {error}"));
            Vec::new()
        });
    let mut views = views(&caller).await;
    if !halted {
        if let Err(error) = caller.ask(Method::POST, "/v1/server/rebuild").await {
            wrong.push(error);
        }
        let again = self::views(&caller).await;
        if again != views {
            wrong.push("the views changed when they were folded anew".to_owned());
        }
    }
    views.wrong.extend(wrong);
    (log, views)
}

async fn views(caller: &Caller) -> Views {
    let mut views = Views::default();
    for (path, items) in [
        ("/v1/service", &mut views.services),
        ("/v1/data", &mut views.data),
        ("/v1/role", &mut views.roles),
    ] {
        match caller.list(path).await {
            Ok(found) => *items = found,
            Err(error) => views.wrong.push(error),
        }
    }
    views
}
