//! What really runs, seen from outside: no job may have two runs at once, and no run may begin twice.
//!
//! Sandboxes are looked at again and again; of containers the engine tells when each began and ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

/// How often sandboxes are looked at.
const LOOK: Duration = Duration::from_millis(25);

/// A run under its claim, as folders and labels name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) job: String,
    pub(super) run: u64,
    pub(super) claim: u64,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Runs that were seen at all.
    pub(super) runs: BTreeSet<Name>,
    /// Two of one job at once, the earlier claim first.
    pub(super) both: BTreeSet<(Name, Name)>,
    /// Runs that began more than once.
    pub(super) again: Vec<Name>,
}

/// Whoever looks. Ends with [`Watcher::end`].
#[derive(Debug)]
pub(super) enum Watcher {
    Sandboxes {
        stop: Arc<AtomicBool>,
        looking: JoinHandle<Seen>,
    },
    Containers {
        events: Child,
        file: PathBuf,
    },
}

// === impl Watcher ===

impl Watcher {
    /// Looks into folders of runs.
    pub(super) fn sandboxes(folders: Vec<PathBuf>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let looking = std::thread::spawn(move || {
            let mut seen = Seen::default();
            while !stopped.load(Ordering::SeqCst) {
                look(&folders, &mut seen);
                std::thread::sleep(LOOK);
            }
            seen
        });
        Self::Sandboxes { stop, looking }
    }

    /// Listens to the engine; what it says is kept in a file.
    pub(super) fn containers(platform: &str, file: PathBuf) -> io::Result<Self> {
        let label = format!("label=eai.platform={platform}");
        let events = Command::new("docker")
            .args(["events", "--format", "{{json .}}", "--filter", &label])
            .args(["--filter", "type=container"])
            .args(["--filter", "event=start", "--filter", "event=die"])
            .stdin(Stdio::null())
            .stdout(File::create(&file)?)
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self::Containers { events, file })
    }

    /// What was seen up to now.
    pub(super) fn end(self) -> Seen {
        match self {
            Self::Sandboxes { stop, looking } => {
                stop.store(true, Ordering::SeqCst);
                looking.join().expect("whoever looks")
            }
            Self::Containers { mut events, file } => {
                // Both are ours; it may have ended by itself, which the check for what was seen finds.
                drop(events.kill());
                drop(events.wait());
                told(&fs::read_to_string(file).unwrap_or_default())
            }
        }
    }
}

fn look(folders: &[PathBuf], seen: &mut Seen) {
    let mut alive: Vec<(Name, PathBuf)> = Vec::new();
    for entry in folders
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
    {
        for path in entry.flatten().map(|entry| entry.path()) {
            let name = path
                .file_name()
                .and_then(|name| Name::parse(name.to_str()?));
            if let Some(name) = name.filter(|_| is_alive(&path)) {
                alive.push((name, path));
            }
        }
    }
    for (later, _) in &alive {
        let earlier = alive.iter().filter(|(other, _)| other.job == later.job);
        for (earlier, path) in earlier.filter(|(other, _)| other.claim < later.claim) {
            // The look took a moment: only what still goes on went on beside the later one.
            if is_alive(path) {
                seen.both.insert((earlier.clone(), later.clone()));
            }
        }
    }
    for (at, (name, path)) in alive.iter().enumerate() {
        let mut before = alive.iter().take(at);
        let is_twice = before.any(|(other, path)| other == name && is_alive(path));
        if is_twice && is_alive(path) && !seen.again.contains(name) {
            seen.again.push(name.clone());
        }
    }
    seen.runs.extend(alive.into_iter().map(|(name, _)| name));
}

/// Whether the command of a sandbox goes on.
fn is_alive(run: &Path) -> bool {
    let first = fs::read(run.join("first.json")).unwrap_or_default();
    let first: Value = serde_json::from_slice(&first).unwrap_or_default();
    let stat = fs::read_to_string(format!("/proc/{}/stat", first["pid"])).unwrap_or_default();
    let state = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    let runs = state.is_some_and(|state| !matches!(state, 'Z' | 'X'));
    runs && run.join("started.json").exists() && !run.join("exit.json").exists()
}

/// What the engine's events tell: when each container began and ended, in nanoseconds.
fn told(events: &str) -> Seen {
    let mut spans: BTreeMap<String, (Name, u64, u64)> = BTreeMap::new();
    let mut seen = Seen::default();
    for event in events.lines() {
        let event: Value = serde_json::from_str(event).unwrap_or_default();
        let labels = &event["Actor"]["Attributes"];
        let (Some(id), Some(name)) = (event["Actor"]["ID"].as_str(), Name::of(labels)) else {
            continue;
        };
        let at = event["timeNano"].as_u64().unwrap_or_default();
        if event["Action"] == "die" {
            if let Some((_, _, end)) = spans.get_mut(id) {
                *end = at;
            }
        } else {
            let is_new = spans
                .insert(id.to_owned(), (name.clone(), at, u64::MAX))
                .is_none();
            let is_first = seen.runs.insert(name.clone());
            if !(is_new && is_first) {
                seen.again.push(name);
            }
        }
    }
    for (earlier, begun, ended) in spans.values() {
        let later = spans
            .values()
            .filter(|(other, ..)| other.job == earlier.job && other.claim > earlier.claim);
        for (later, from, to) in later {
            if from < ended && begun < to {
                seen.both.insert((earlier.clone(), later.clone()));
            }
        }
    }
    seen
}

// === impl Name ===

impl Name {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (job, run, claim) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self {
            job: job.to_owned(),
            run: run.parse().ok()?,
            claim: claim.parse().ok()?,
        })
    }

    fn of(labels: &Value) -> Option<Self> {
        let text = |label: &str| labels[label].as_str();
        Some(Self {
            job: text("eai.job")?.to_owned(),
            run: text("eai.run")?.parse().ok()?,
            claim: text("eai.claim")?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(action: &str, id: &str, run: u64, at: u64) -> String {
        format!(
            r#"{{"Action":"{action}","timeNano":{at},"Actor":{{"ID":"{id}","Attributes":
            {{"eai.job":"j","eai.run":"{run}","eai.claim":"{}"}}}}}}"#,
            run + 1
        )
        .replace('\n', "")
    }

    #[test]
    fn runs_at_once_and_runs_begun_twice_are_seen() {
        let apart = [
            event("start", "a", 0, 1),
            event("die", "a", 0, 2),
            event("start", "b", 1, 3),
        ];
        let seen = told(&apart.join("\n"));
        assert_eq!(
            (seen.runs.len(), seen.both.len(), seen.again.len()),
            (2, 0, 0)
        );
        let both = [
            event("start", "a", 0, 1),
            event("start", "b", 1, 3),
            event("die", "a", 0, 4),
        ];
        assert_eq!(told(&both.join("\n")).both.len(), 1);
        let again = [event("start", "a", 0, 1), event("start", "b", 0, 3)];
        assert_eq!(told(&again.join("\n")).again.len(), 1);
    }
}
