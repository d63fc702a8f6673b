//! What a run sees of the machine and of other runs, and what it may do there.

mod common;

use common::*;
use std::os::unix::fs::PermissionsExt;

#[tokio::test]
async fn it_is_nobody_special() {
    let platform = Platform::new().await;
    let script = "id; echo $HOME $USER $HOSTNAME; hostname; pwd; grep -E '^(Cap|NoNewPrivs)' /proc/self/status; \
                  cat /proc/self/uid_map; env | sort";
    let (exit, said) = platform.sh("a.0.1", script).await;
    assert_eq!(exit.code, Some(0), "{said}");
    assert!(
        said.contains("uid=13011(toolkit) gid=13011(toolkit)"),
        "{said}"
    );
    assert!(
        said.contains("/home/toolkit toolkit test\ntest\n/home/toolkit\n"),
        "{said}"
    );
    assert!(said.contains("NoNewPrivs:\t1"), "{said}");
    let capabilities: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("Cap"))
        .collect();
    assert_eq!(capabilities.len(), 5, "{said}");
    for line in capabilities {
        assert!(line.ends_with("\t0000000000000000"), "{line}");
    }
    // A variable of this process must not get in.
    assert!(!said.contains("CARGO"), "{said}");
}

#[tokio::test]
async fn it_makes_no_user_namespace_of_its_own() {
    let platform = Platform::new().await;
    let (exit, said) = platform.sh("a.0.1", "unshare -U true").await;
    assert_ne!(exit.code, Some(0), "{said}");
}

#[tokio::test]
async fn it_sees_the_system_and_nothing_else_of_the_machine() {
    let platform = Platform::new().await;
    let secret = platform.folder.path().join("secret");
    std::fs::write(&secret, "secret").unwrap();
    let script = format!(
        "ls /; echo --; ls -A /root /srv /run /var /home /home/toolkit /sys /boot 2>&1; echo --; \
         ls -A /etc; echo --; cat {} {}/a.0.1/run.json; echo --; touch /x /usr/x /etc/x /var/x; \
         touch /tmp/x /home/toolkit/x /dev/shm/x /var/tmp/y && echo writable; ls /dev; \
         echo --; cat /etc/passwd /etc/hosts",
        secret.display(),
        platform.runs().display(),
    );
    let (_, said) = platform.sh("a.0.1", &script).await;
    let parts: Vec<&str> = said.split("--\n").collect();
    let root: Vec<&str> = parts[0].split_whitespace().collect();
    for place in &root {
        assert!(
            [
                "bin", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "opt", "proc",
                "run", "sbin", "tmp", "usr", "var"
            ]
            .contains(place),
            "{place}"
        );
    }
    assert!(parts[1].contains("/root': No such file"), "{}", parts[1]);
    assert!(!parts[2].contains("shadow"), "{}", parts[2]);
    assert!(!said.contains("secret\n"), "{said}");
    assert_eq!(
        said.matches("No such file or directory").count(),
        6,
        "{said}"
    );
    assert_eq!(said.matches("cannot touch").count(), 4, "{said}");
    assert!(said.contains("writable"), "{said}");
    assert!(said.contains("toolkit:x:13011:13011:"), "{said}");
    assert!(
        !parts[4].contains("sda") && !parts[4].contains("kvm"),
        "{said}"
    );
}

#[tokio::test]
async fn it_has_no_open_files_but_its_own() {
    let platform = Platform::new().await;
    let folder = platform.folder.path().join("data");
    std::fs::create_dir(&folder).unwrap();
    let mut run = sh("a.0.1", "exec ls -l /proc/self/fd/");
    run.mounts = vec![mount(&folder, "/service")];
    let running = platform.start(&run).await;
    wait(&running).await;
    let said = said(&running).await;
    let open: Vec<&str> = said.lines().filter(|line| line.contains("->")).collect();
    assert_eq!(open.len(), 4, "{said}");
    assert!(said.contains("0 -> /dev/null"), "{said}");
    assert!(
        said.contains("1 -> pipe:") && said.contains("2 -> pipe:"),
        "{said}"
    );
    assert!(open[3].contains("3 -> /proc/"), "{said}");
    running.remove().await.unwrap();
}

#[tokio::test]
async fn it_has_no_network_but_its_own() {
    let platform = Platform::new().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let name = format!("eai-test-{}", std::process::id());
    let address = {
        use std::os::linux::net::SocketAddrExt as _;
        std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap()
    };
    let _abstract = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
    let program = format!(
        "import socket\n\
         def reach(family, address):\n\
         \x20   try:\n\
         \x20       socket.socket(family).connect(address)\n\
         \x20       return 'reached'\n\
         \x20   except OSError as e:\n\
         \x20       return e.strerror\n\
         print(reach(socket.AF_INET, ('127.0.0.1', {port})))\n\
         print(reach(socket.AF_UNIX, '\\0{name}'))\n\
         print(open('/proc/net/dev').read().count(':'))\n"
    );
    let running = platform
        .start(&command("a.0.1", &["python3", "-c", &program]))
        .await;
    wait(&running).await;
    let said = said(&running).await;
    assert!(
        said.starts_with("Connection refused\nConnection refused\n"),
        "{said}"
    );
    running.remove().await.unwrap();
}

#[tokio::test]
async fn it_sees_no_process_but_its_own() {
    let platform = Platform::new().await;
    let other = platform
        .start(&sh("other.0.1", "echo up; exec sleep 1000"))
        .await;
    says(&other, "up").await;
    let (_, said) = platform
        .sh("a.0.1", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '; ipcs -m")
        .await;
    assert!(!said.contains("sleep 1000"), "{said}");
    assert!(!said.contains("eai-test-shim"), "{said}");
    other.remove().await.unwrap();
}

#[tokio::test]
async fn mounts_are_there_read_only_unless_asked() {
    let platform = Platform::new().await;
    // Nobody but this user gets through here: the mount has to work all the same.
    let closed = platform.folder.path().join("closed");
    let data = closed.join("data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o700)).unwrap();
    std::fs::write(data.join("hello"), "hello from data\n").unwrap();
    let open = closed.join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, PermissionsExt::from_mode(0o777)).unwrap();
    let mut run = sh(
        "a.0.1",
        "pwd; cat hello; touch /service/x 2>&1; cat /one; echo made > /service/out/made; ls /service/..",
    );
    run.workdir = Some("/service".to_owned());
    std::fs::create_dir(data.join("out")).unwrap();
    let mut writable = mount(&open, "/service/out");
    writable.writable = true;
    run.mounts = vec![
        writable,
        mount(&data, "/service"),
        mount(&data.join("hello"), "/one"),
    ];
    let running = platform.start(&run).await;
    let exit = wait(&running).await;
    let said = said(&running).await;
    assert_eq!(exit.code, Some(0), "{exit:?} {said}");
    assert!(said.starts_with("/service\nhello from data\n"), "{said}");
    assert!(said.contains("Read-only file system"), "{said}");
    assert_eq!(said.matches("hello from data").count(), 2, "{said}");
    assert_eq!(
        std::fs::read_to_string(open.join("made")).unwrap(),
        "made\n"
    );
    running.remove().await.unwrap();
}

#[tokio::test]
async fn a_mount_that_is_not_there_is_told() {
    let platform = Platform::new().await;
    let mut run = sh("a.0.1", "true");
    run.mounts = vec![mount(&platform.folder.path().join("none"), "/service")];
    let error = platform.process.start(&run).await.unwrap_err().to_string();
    assert!(
        error.contains("none") && error.contains("No such file"),
        "{error}"
    );
    assert!(!platform.runs().join("a.0.1").exists());
}

#[tokio::test]
async fn others_of_the_machine_see_neither_its_variables_nor_its_folder() {
    let platform = Platform::new().await;
    let mut run = sh("a.0.1", "echo up; exec sleep 1000");
    run.env = vec![("TOKEN".to_owned(), "very-secret-token".to_owned())];
    let running = platform.start(&run).await;
    says(&running, "up").await;
    assert!(processes("very-secret-token").is_empty());
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(platform.runs()), 0o700);
    assert_eq!(mode(platform.runs().join("a.0.1")), 0o700);
    running.remove().await.unwrap();
}

#[tokio::test]
async fn it_gets_out_but_not_to_the_machine() {
    let platform = Platform::new().await;
    assert_eq!(platform.process.network(), "pasta", "install passt");
    // Another address of the machine, as a container engine's bridge has one.
    let _bridge = Address::add("10.213.7.1/32");
    let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::net::TcpStream::connect(("10.213.7.1", port)).unwrap();
    let program = format!(
        "import socket, time, struct\n\
         end = time.monotonic() + 30\n\
         routes = []\n\
         while not routes and time.monotonic() < end:\n\
         \x20   time.sleep(0.01)\n\
         \x20   lines = [l.split() for l in open('/proc/net/route')][1:]\n\
         \x20   routes = [l[2] for l in lines if l[1] == '00000000']\n\
         gateway = socket.inet_ntoa(struct.pack('<L', int(routes[0], 16)))\n\
         print('up')\n\
         s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
         s.connect((gateway, 9))\n\
         for address in (gateway, s.getsockname()[0], '127.0.0.1', '10.213.7.1'):\n\
         \x20   try:\n\
         \x20       socket.create_connection((address, {port}), 2)\n\
         \x20       print('reached', address)\n\
         \x20   except OSError:\n\
         \x20       print('kept off')\n"
    );
    let running = platform
        .start(&command("a.0.1", &["python3", "-c", &program]))
        .await;
    assert_eq!(running.started().unwrap().unwrap().network, "pasta");
    wait(&running).await;
    let said = said(&running).await;
    assert_eq!(said, "up\nkept off\nkept off\nkept off\nkept off\n");
    running.remove().await.unwrap();
}

/// An address of this machine, until it is dropped.
struct Address(&'static str);

impl Address {
    fn add(address: &'static str) -> Self {
        ip(&["address", "add", address, "dev", "lo"]);
        Self(address)
    }
}

impl Drop for Address {
    fn drop(&mut self) {
        ip(&["address", "del", self.0, "dev", "lo"]);
    }
}

fn ip(args: &[&str]) {
    let done = std::process::Command::new("ip")
        .args(args)
        .status()
        .expect("iproute2 is installed");
    assert!(done.success(), "ip {args:?}");
}
