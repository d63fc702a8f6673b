//! What every soak has in common: how it is asked, how it tells how far it is, and how it ends. It knows none of them.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::str::FromStr;

use crate::{Backend, Platform};

/// What the command line asks for; where that is wrong, the exit code, once it is said why.
pub fn asked<T>(read: impl FnOnce(Vec<String>) -> Result<T, String>) -> Result<T, ExitCode> {
    read(std::env::args().skip(1).collect()).map_err(|message| {
        say(&format!("error: {message}"));
        ExitCode::from(2)
    })
}

/// Says what came of it.
pub fn ended(summary: &impl Display, passed: bool) -> ExitCode {
    say(&summary.to_string());
    if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Says that it came to nothing.
pub fn broke(error: &impl Display) -> ExitCode {
    say(&format!("error: {error}"));
    ExitCode::FAILURE
}

/// A line that is written over on a terminal; elsewhere only now and then, when it `is_due`.
pub fn progress(line: &str, is_due: bool) {
    let mut out = std::io::stderr();
    let end = if out.is_terminal() { '\r' } else { '\n' };
    if end == '\r' || is_due {
        drop(write!(out, "{line}{end}"));
    }
}

/// Says something to who started it.
pub fn say(text: &str) {
    // Nobody listens any more where this fails; the exit code still tells.
    drop(writeln!(std::io::stdout(), "{text}"));
}

/// Reads options that have a value each; `take` gets the name and the value.
pub(crate) fn options(
    arguments: impl IntoIterator<Item = String>,
    mut take: impl FnMut(&str, String) -> Result<(), String>,
) -> Result<(), String> {
    let mut arguments = arguments.into_iter();
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or(format!("{name} needs a value"))?;
        take(&name, value)?;
    }
    Ok(())
}

/// An option that there is not.
pub(crate) fn unknown(name: &str) -> Result<(), String> {
    Err(format!("unknown argument: {name}"))
}

/// The number that an option has.
pub(crate) fn number<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
    let wrong = |_| format!("{name} takes a whole number, not {value}");
    value.parse().map_err(wrong)
}

/// Ends a platform as a service manager does; what is wrong with that.
pub(crate) fn stop(platform: &mut Platform) -> Vec<String> {
    let mut wrong = Vec::new();
    let code = platform.stop();
    if code != 0 {
        wrong.push(format!("the platform ended with {code}"));
    }
    let networks = platform.networks();
    if platform.backend() == Backend::Docker && !networks.is_empty() {
        wrong.push(format!("networks that are left: {networks:?}"));
    }
    wrong
}

/// The harness waits by blocking its thread.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work).await;
    done.expect("the platform does what is asked")
}
