//! Limits of a process and what it starts, where there are no cgroups.

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

use super::Caps;

/// Neither this process nor what it starts writes a core file.
pub(crate) fn no_core() -> io::Result<()> {
    let limit = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, limit)?;
    Ok(())
}

/// The command that limits itself inside its sandbox, where its processes are counted apart from
/// those of others, and then is `command`.
///
/// Memory is bounded for each process, not for all together; a share of a core can't be.
pub(super) fn limited(command: &[String], caps: &Caps) -> Vec<String> {
    let mut script = String::new();
    if caps.memory_bytes > 0 {
        // The data of a process: its address space may well be larger than what it uses.
        let kib = caps.memory_bytes / 1024;
        script.push_str("ulimit -d ");
        script.push_str(&kib.to_string());
        script.push_str(" || exit 126; ");
    }
    if caps.pids > 0 {
        // Shells do not agree on the letter.
        let pids = caps.pids;
        let line = format!("ulimit -u {pids} 2>/dev/null || ulimit -p {pids} || exit 126; ");
        script.push_str(&line);
    }
    script.push_str("exec \"$@\"");
    let mut limited = ["/bin/sh", "-c", &script, "sh"].map(str::to_owned).to_vec();
    limited.extend_from_slice(command);
    limited
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_limits_itself() {
        let caps = Caps {
            cpu_milli: 0,
            memory_bytes: 1 << 30,
            pids: 100,
        };
        let command = ["sh", "-c", "ulimit -d; echo \"$1\"", "x", "a b"].map(str::to_owned);
        let limited = limited(&command, &caps);
        let (program, args) = limited.split_first().unwrap();
        let output = std::process::Command::new(program).args(args).output();
        let said = String::from_utf8(output.unwrap().stdout).unwrap();
        assert_eq!(said, "1048576\na b\n");
    }
}
