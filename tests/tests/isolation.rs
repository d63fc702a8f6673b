//! What a job sees of this machine and of other jobs: nothing but what it was given.
#![expect(clippy::unwrap_used, reason = "what a test asserts, it may unwrap")]

use std::net::TcpListener;

use eai_tests::{Backend, Platform, Service, text, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

eai_tests::on_each_backend! {
    nothing_is_left_of_a_job_that_ended,
    services_listen_on_one_port_at_once,
    a_job_knows_who_it_is,
    a_job_reaches_nothing_of_this_machine,
}

/// What a script prints inside the service's job.
async fn inside(service: &Service, script: impl Into<String>) -> String {
    let answer = service.post("/", script.into()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

async fn services_listen_on_one_port_at_once(backend: Backend) {
    let platform = Platform::on(backend);
    let one = Service::web(&platform, "one", &["-e", "VERSION=one"]);
    let two = Service::web(&platform, "two", &["-e", "VERSION=two"]);
    for (service, expected) in [(&one, "one /\n"), (&two, "two /\n"), (&one, "one /\n")] {
        let answer = service.get("/").await;
        assert_eq!((answer.status, answer.text().as_str()), (200, expected));
    }
}

async fn a_job_knows_who_it_is(backend: Backend) {
    let platform = Platform::on(backend);
    let flags = ["--cpu", "0.5", "--mem", "1", "-e", "GREETING=good day"];
    let service = Service::web(&platform, "web", &flags);
    let who = service.get("/who").await.ok();
    let job = service.only_job().await;
    assert_eq!(who["hostname"], job["id"]);
    assert_eq!((&who["uid"], &who["gid"]), (&json!(13011), &json!(13011)));
    let user = platform.cli(["user", "get", "--field", "id"]).ok();
    let account = platform.cli(["account", "get", "--field", "id"]).ok();
    for (name, value) in [
        ("EAI_JOB_ID", text(&job["id"])),
        ("EAI_RUN_INDEX", "0".into()),
        ("EAI_ACCOUNT_ID", account),
        ("EAI_USER", user),
        ("EAI_CPU_LIMIT", "0.5".into()),
        ("EAI_MEMORY_LIMIT", (1u64 << 30).to_string()),
        ("GREETING", "good day".into()),
        ("HOME", "/home/toolkit".into()),
        ("USER", "toolkit".into()),
    ] {
        assert_eq!(who["environment"][name], value, "{name}");
    }
    let url = text(&who["environment"]["EAI_CONSOLE_URL"]);
    assert!(url.starts_with("http://localhost:"), "{url}");
    let foreign = ["DOCKER_HOST", "EAI_DATA_DIR", "EAI_NATS_SERVER", "TMPDIR"];
    for name in foreign {
        assert_eq!(who["environment"][name], json!(null), "{name}");
    }
}

async fn a_job_reaches_nothing_of_this_machine(backend: Backend) {
    let platform = Platform::on(backend);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let nats = platform.nats_url();
    let nats = nats.rsplit_once(':').unwrap().1;
    let api = platform.address().rsplit_once(':').unwrap().1;
    let service = Service::of_app(&platform, "shell", "shell.py", &[]);
    let other = Service::of_app(&platform, "other", "shell.py", &[]);
    assert_eq!(
        inside(&other, "echo secret > /tmp/mine; echo done").await,
        "done\n"
    );

    // Its own listener answers, so what is refused is refused for a reason.
    let script = format!(
        "python3 - <<'END'
import socket
for line in open('/proc/net/route'):
    words = line.split()
    if words[1] == '00000000':
        gateway = '.'.join(map(str, bytes.fromhex(words[2])[::-1]))
for port in 8080, {port}, {nats}, {api}:
    for host in '127.0.0.1', gateway:
        try:
            socket.create_connection((host, port), 1).close()
            print(host, port)
        except OSError:
            pass
END"
    );
    assert_eq!(inside(&service, script).await, "127.0.0.1 8080\n");
    assert!(listener.accept().is_err(), "nobody connected");

    // Files of the machine, of the platform, of the other job.
    let data = platform.data();
    let data = data.to_str().unwrap();
    let mut foreign = vec![data, "/tmp/mine", "/home/user"];
    if backend == Backend::Process {
        // An image has such folders of its own.
        foreign.extend(["/root", "/var/lib", "/etc/shadow", "/sys/kernel"]);
    }
    for path in foreign {
        let printed = inside(
            &service,
            format!("ls -d {path} 2>&1; cat {path} 2>&1; ls {path} 2>&1"),
        )
        .await;
        let refused = printed
            .lines()
            .all(|line| line.contains("No such file") || line.contains("denied"));
        assert!(refused, "{path}: {printed}");
    }
    let runs = inside(
        &service,
        "find / -xdev -name '*.sock' -o -xdev -name socket 2>/dev/null",
    )
    .await;
    assert_eq!(runs, "", "no socket of a shim");
    let cannot = "for path in / /service /etc /usr; do touch $path/x 2>/dev/null && echo $path; done; \
                  for path in /tmp ~; do touch $path/x && echo $path; done";
    assert_eq!(inside(&service, cannot).await, "/tmp\n/home/toolkit\n");

    // Processes: its own, and no right over any other.
    let processes = inside(&service, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").await;
    for foreign in ["eai server", "eai shim", "nats-server"] {
        assert!(!processes.contains(foreign), "{processes}");
    }
    let capabilities = inside(
        &service,
        "grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status",
    )
    .await;
    let none = "0".repeat(16);
    assert_eq!(
        capabilities,
        format!("CapEff:\t{none}\nCapBnd:\t{none}\nNoNewPrivs:\t1\n")
    );
    let escape = inside(&service, "unshare -r true 2>/dev/null && echo made; mount -t tmpfs x /mnt 2>/dev/null && echo made; true").await;
    assert_eq!(escape, "");
}

async fn nothing_is_left_of_a_job_that_ended(backend: Backend) {
    let platform = Platform::on(backend);
    let service = Service::web(&platform, "web", &[]);
    let gone = || {
        until("nothing left of its runs", || match platform.leftovers() {
            left if left.is_empty() => Ok(()),
            left => Err(left),
        });
    };
    assert_eq!(service.get("/").await.status, 200);
    let left = platform.leftovers();
    assert_eq!(left.runs(), 1, "{left:?}");
    if backend == Backend::Process {
        let count = left.processes.len();
        assert!(count >= 3, "shim, sandbox, command: {left:?}");
    }
    assert_eq!(left.mounts, Vec::<String>::new());

    // By itself.
    drop(service.try_get("/exit?0").await);
    service.until_state("SUCCEEDED").await;
    gone();

    // Its shim killed, and the sandbox goes with it, or its container removed: the next request gets another run.
    assert_eq!(service.get("/").await.status, 200);
    let left = platform.leftovers();
    match backend {
        Backend::Process => {
            let shim = Pid::from_raw(left.processes[0]).unwrap();
            kill_process(shim, Signal::KILL).unwrap();
        }
        Backend::Docker => {
            let mut remove = std::process::Command::new("docker");
            let removed = remove.args(["rm", "--force", &left.containers[0]]).output();
            assert!(removed.unwrap().status.success());
        }
    }
    // What removes a container kills it first, and the end may be seen in between.
    let is_over = |job: &Value| match backend {
        Backend::Process => job["state"] == "INTERRUPTED",
        Backend::Docker => job["alive"] == false,
    };
    service
        .until_job("the end of the run", |job| is_over(job) || job["run"] == 1)
        .await;
    assert_eq!(service.get("/").await.status, 200);
    service.say(&platform, "stop");
    gone();
}
