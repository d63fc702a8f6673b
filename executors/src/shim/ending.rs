//! How a run ended, by what bubblewrap tells.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use super::order::Order;
use crate::backend::Exit;

/// The command's own exit code, or 128 and the number of the signal that ended it.
pub(super) fn by_code(code: i32) -> Exit {
    Exit {
        code: Some(code),
        signal: (129..=192).contains(&code).then_some(code - 128),
        ..Exit::default()
    }
}

/// Where bubblewrap did not get to run the command, or was killed itself.
pub(super) fn without_code(ended: ExitStatus, head: &[u8], error: Option<io::Error>) -> Exit {
    if error.is_none()
        && let Some(signal) = ended.signal()
    {
        return Exit {
            code: Some(128 + signal),
            signal: Some(signal),
            ..Exit::default()
        };
    }
    let said = String::from_utf8_lossy(head);
    let said = said.trim();
    let code = said.lines().last().and_then(|line| {
        let reason = line.strip_prefix("bwrap: execvp ")?;
        // As shells do.
        Some(if reason.ends_with("No such file or directory") {
            127
        } else {
            126
        })
    });
    Exit {
        code,
        failure: Some(match error {
            _ if !said.is_empty() => said.to_owned(),
            Some(error) => error.to_string(),
            None => format!("bubblewrap ended with {ended}"),
        }),
        ..Exit::default()
    }
}

/// What people are told where they look for the command's own words.
pub(super) fn notes(exit: &Exit, order: &Order) -> Option<String> {
    let program = order.run.command.first().map_or("", String::as_str);
    if exit.oom {
        return Some(format!(
            "[out of memory: the kernel ended a process at the limit of {} MiB; give the job more]\n",
            order.run.mem_mib
        ));
    }
    match (exit.code, &exit.failure) {
        (Some(127), Some(_)) => Some(format!(
            "[command not found: there is no {program:?} in the sandbox, or what interprets it is \
             missing; check the name, and that it is installed in /usr or /opt or mounted]\n"
        )),
        (Some(126), Some(_)) => Some(format!(
            "[command not run: {program:?} is no program that can be executed; check its \
             permissions, or run it by its interpreter]\n"
        )),
        (_, Some(failure)) => Some(format!("[the sandbox could not be made: {failure}]\n")),
        (_, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_as_shells_do() {
        assert_eq!(by_code(3).signal, None);
        assert_eq!(by_code(143).signal, Some(15));
        let failed = ExitStatus::from_raw(256);
        let head = b"bwrap: execvp x: No such file or directory\n";
        assert_eq!(without_code(failed, head, None).code, Some(127));
        let head = b"bwrap: execvp x: Permission denied\n";
        assert_eq!(without_code(failed, head, None).code, Some(126));
        let exit = without_code(failed, b"bwrap: no\n", Some(io::ErrorKind::NotFound.into()));
        assert_eq!(
            (exit.code, exit.failure.as_deref()),
            (None, Some("bwrap: no"))
        );
        let killed = without_code(ExitStatus::from_raw(9), b"", None);
        assert_eq!((killed.code, killed.signal), (Some(137), Some(9)));
    }
}
