//! A run in a container from start to end: output, exit, connections, limits, isolation.

mod containers;

use containers::*;
use eai_executors::backend::{ConnectError, Kind, Run, Signal};
use eai_executors::docker::StartError;

#[tokio::test]
async fn a_command_runs_says_something_and_ends() {
    let platform = platform!();
    let mut run = sh(
        "a.0.1",
        "echo out; echo err >&2; echo $GREETING; id -u; hostname; exit 7",
    );
    run.env = vec![("GREETING".to_owned(), "hi there".to_owned())];
    let running = platform.start(&run).await;
    let exit = wait(&running).await;
    assert_eq!((exit.code, exit.signal), (Some(7), None), "{exit:?}");
    assert!(!exit.oom && !exit.lost && exit.failure.is_none());
    assert!(exit.started > 0 && exit.ended >= exit.started);
    let said = |kind: Kind| {
        let running = running.clone();
        async move {
            let pieces = pieces(&running, 0).await.into_iter();
            let ours = pieces.filter(|(of, ..)| *of == kind);
            let bytes: Vec<u8> = ours.flat_map(|(_, bytes, _)| bytes).collect();
            String::from_utf8(bytes).unwrap()
        }
    };
    assert_eq!(said(Kind::Stdout).await, "out\nhi there\n13011\ntest\n");
    assert_eq!(said(Kind::Stderr).await, "err\n");
    assert_eq!(said(Kind::Note).await, "");
    running.remove().await.unwrap();
    running.remove().await.unwrap();
    assert!(platform.containers().is_empty());
    platform.docker.close().await;
    assert!(platform.networks().is_empty());
}

#[tokio::test]
async fn each_run_is_reached_at_its_own_address_and_by_no_other_run() {
    let platform = platform!();
    let one = platform
        .start(&server("one.0.1", "0.0.0.0", 8080, " from one"))
        .await;
    let two = platform
        .start(&server("two.0.1", "0.0.0.0", 8080, " from two"))
        .await;
    says(&one, "up").await;
    says(&two, "up").await;
    assert_eq!(talk(&one, 8080, "hi").await, "hi from one");
    assert_eq!(talk(&two, 8080, "hi").await, "hi from two");
    let refused = one.connect(9).await.unwrap_err();
    assert!(matches!(refused, ConnectError::RefusedAt(_)), "{refused:?}");
    let listening = one.listening().await.unwrap();
    assert_eq!(listening.len(), 1, "{listening:?}");
    assert_eq!(listening[0].port, 8080);

    let endpoint = one.endpoint(8080).to_string();
    let address = endpoint
        .strip_prefix("tcp:")
        .unwrap()
        .rsplit_once(':')
        .unwrap()
        .0;
    let program = format!(
        "import socket\n\
         try:\n\
         \x20   socket.create_connection(('{address}', 8080), 2); print('reached')\n\
         except OSError as e: print('not reached')\n"
    );
    let spy = platform.start(&python("spy.0.1", &program)).await;
    wait(&spy).await;
    assert_eq!(said(&spy).await, "not reached\n");
    for running in [&one, &two, &spy] {
        running.remove().await.unwrap();
    }
}

#[tokio::test]
async fn who_listens_on_loopback_only_is_found() {
    let platform = platform!();
    let running = platform
        .start(&server("a.0.1", "127.0.0.1", 8080, ""))
        .await;
    says(&running, "up").await;
    let refused = running.connect(8080).await.unwrap_err();
    assert!(refused.to_string().contains("0.0.0.0"), "{refused}");
    let listening = running.listening().await.unwrap();
    assert_eq!(listening.len(), 1, "{listening:?}");
    assert!(listening[0].address.is_loopback() && !running.reaches_loopback());
    running.remove().await.unwrap();
}

#[tokio::test]
async fn signals_end_a_run() {
    let platform = platform!();
    let polite = "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done";
    let running = platform.start(&sh("polite.0.1", polite)).await;
    says(&running, "up").await;
    running.signal(Signal::Term).await.unwrap();
    assert_eq!(wait(&running).await.code, Some(3));
    assert!(said(&running).await.contains("bye\n"));
    running.signal(Signal::Kill).await.unwrap();
    running.remove().await.unwrap();
    running.signal(Signal::Kill).await.unwrap();

    let deaf = "trap '' TERM; echo up; sleep 1000 & wait";
    let running = platform.start(&sh("deaf.0.1", deaf)).await;
    says(&running, "up").await;
    running.signal(Signal::Kill).await.unwrap();
    let exit = wait(&running).await;
    assert_eq!((exit.code, exit.signal), (Some(137), Some(9)), "{exit:?}");
    running.remove().await.unwrap();
}

#[tokio::test]
async fn a_command_that_cannot_be_run_says_why() {
    let platform = platform!();
    for (name, program, code) in [
        ("a.0.1", "no-such-program", 127),
        ("b.0.1", "/etc/passwd", 126),
    ] {
        let running = platform.start(&command(name, &[program])).await;
        let exit = wait(&running).await;
        assert_eq!(exit.code, Some(code), "{exit:?}");
        let failure = exit.failure.unwrap();
        assert!(failure.contains(program), "{failure}");
        assert!(said(&running).await.contains("[the image has no program"));
        running.remove().await.unwrap();
    }
    // What the command itself says of such a kind is its own business.
    let (exit, _) = platform.sh("c.0.1", "exit 127").await;
    assert_eq!((exit.code, exit.failure), (Some(127), None));
}

#[tokio::test]
async fn an_image_that_is_nowhere_is_refused_with_its_name() {
    let platform = platform!();
    let (notes, mut said) = tokio::sync::mpsc::channel(8);
    let ours = image().unwrap();
    let image = "127.0.0.1:9/no/such:image";
    let error = platform.docker.prepare(image, notes).await.unwrap_err();
    assert!(error.to_string().contains(image), "{error}");
    assert!(said.recv().await.unwrap().contains("pulling the image"));
    assert!(platform.docker.lacks(image).await.is_some());
    assert_eq!(platform.docker.lacks(&ours).await, None);
    let mut run = sh("a.0.1", "true");
    image.clone_into(&mut run.image);
    let error = Box::pin(platform.docker.start(&run)).await.unwrap_err();
    assert!(matches!(error, StartError::Refused(_)), "{error:?}");
    assert!(platform.containers().is_empty());
}

#[tokio::test]
async fn too_much_memory_ends_a_run_and_says_so() {
    let platform = platform!();
    let mut run = python("a.0.1", "x = []\nwhile True: x.append(bytearray(1 << 20))");
    run.mem_mib = 48;
    let running = platform.start(&run).await;
    let exit = wait(&running).await;
    assert!(exit.oom && exit.code == Some(137), "{exit:?}");
    let said = said(&running).await;
    assert!(
        said.contains("[out of memory: the kernel ended a process at the limit of 48 MiB"),
        "{said}"
    );
    running.remove().await.unwrap();
}

#[tokio::test]
async fn a_fork_bomb_stays_in_its_container() {
    let platform = platform!();
    let bomb = "import os\n\
                n = 0\n\
                try:\n\
                \x20   while n < 2000:\n\
                \x20       if os.fork() == 0: os.execvp('sleep', ['sleep', '1000'])\n\
                \x20       n += 1\n\
                except OSError: pass\n\
                print('stopped', n)\n";
    // Their number is what bounds them, and not their memory.
    let run = Run {
        mem_mib: 1024,
        ..python("a.0.1", bomb)
    };
    let running = platform.start(&run).await;
    assert_eq!(wait(&running).await.code, Some(0));
    let said = said(&running).await;
    let count = said.trim().strip_prefix("stopped ").unwrap();
    let count: u32 = count.parse().unwrap();
    assert!((100..512).contains(&count), "{said}");
    running.remove().await.unwrap();
}

#[tokio::test]
async fn a_run_has_no_rights_and_writes_nowhere_but_to_its_own_folders() {
    let platform = platform!();
    let folder = platform.folder.path().join("files");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("app"), "text").unwrap();
    let script = "grep -E 'Cap(Eff|Bnd)|NoNewPrivs' /proc/self/status; cat /service/app; echo; \
                  for at in /service /etc /usr; do touch $at/x 2>/dev/null && echo wrote $at; done; \
                  for at in /tmp $HOME /home/toolkit; do touch $at/x || echo not $at; done; pwd";
    let mut run = sh("a.0.1", script);
    run.mounts = vec![mount(&folder, "/service")];
    run.workdir = Some("/service".to_owned());
    run.env = vec![("HOME".to_owned(), "/home/toolkit".to_owned())];
    let running = platform.start(&run).await;
    assert_eq!(wait(&running).await.code, Some(0));
    let said = said(&running).await;
    let words: Vec<&str> = said.split_whitespace().collect();
    let none = "0000000000000000";
    let expected = [
        "CapEff:",
        none,
        "CapBnd:",
        none,
        "NoNewPrivs:",
        "1",
        "text",
        "/service",
    ];
    assert_eq!(words, expected, "{said}");
    running.remove().await.unwrap();
}

/// Whether the kernel holds the platform's only container, or the engine says so.
fn is_frozen(platform: &Platform) -> bool {
    let label = format!("label=eai.platform={}", platform.id);
    let by_engine = cli(&[
        "ps",
        "--quiet",
        "--filter",
        "status=paused",
        "--filter",
        &label,
    ]);
    let id = cli(&["ps", "--quiet", "--no-trunc", "--filter", &label]);
    let pid = cli(&["inspect", "--format", "{{.State.Pid}}", &id[0]]);
    let groups = std::fs::read_to_string(format!("/proc/{}/cgroup", pid[0])).expect("its groups");
    let by_kernel = groups.lines().any(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (kind, path) = (parts.next().expect("a kind"), parts.next().expect("a path"));
        let read = |file: String| std::fs::read_to_string(file).unwrap_or_default();
        match kind {
            "freezer" => read(format!("/sys/fs/cgroup/freezer{path}/freezer.state")) == "FROZEN\n",
            "" => read(format!("/sys/fs/cgroup{path}/cgroup.freeze")) == "1\n",
            _ => false,
        }
    });
    by_kernel || !by_engine.is_empty()
}

#[tokio::test]
async fn a_frozen_run_does_nothing_until_it_is_thawed() {
    let platform = platform!();
    let counter = "import time\nn = 0\nwhile True:\n\x20   n += 1\n\x20   print(n, flush=True)\n\x20   time.sleep(0.01)\n";
    let running = platform.start(&python("a.0.1", counter)).await;
    says(&running, "5\n").await;
    running.thaw().await.unwrap();
    running.freeze().await.unwrap();
    running.freeze().await.unwrap();
    assert!(is_frozen(&platform));
    running.thaw().await.unwrap();
    assert!(!is_frozen(&platform));
    // One that is frozen can be ended, too.
    running.freeze().await.unwrap();
    running.remove().await.unwrap();
    assert!(platform.containers().is_empty());
}
