//! What the jobs of a test run with: the same test for each.

use std::process::Command;
use std::str::FromStr;

/// What jobs run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Sandboxes.
    Process,
    /// Containers, where the machine has them.
    Docker,
}

/// Makes a module for each backend with these tests, which take it.
#[macro_export]
macro_rules! on_each_backend {
    ($($test:ident,)*) => {
        mod process {
            $(#[tokio::test]
            async fn $test() {
                super::$test($crate::Backend::Process).await;
            })*
        }
        mod docker {
            $(#[tokio::test]
            async fn $test() {
                if $crate::Backend::Docker.is_there() {
                    super::$test($crate::Backend::Docker).await;
                }
            })*
        }
    };
}

// === impl Backend ===

impl Backend {
    /// Whether there is such on this machine: where `EAI_TEST_IMAGE` is set and empty, there is no Docker.
    pub fn is_there(self) -> bool {
        self == Self::Process || !image().is_empty()
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Docker => "docker",
        }
    }

    /// An image for a spec that names one.
    pub fn image(self) -> String {
        match self {
            Self::Process => "python:3.9-slim".into(),
            Self::Docker => image(),
        }
    }

    /// Flags of `eai server`.
    pub fn flags(self) -> Vec<String> {
        let mut flags = vec!["--backend".to_owned(), self.name().to_owned()];
        if self == Self::Docker {
            flags.extend(["--default-image".to_owned(), image()]);
        }
        flags
    }
}

impl FromStr for Backend {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "process" => Ok(Self::Process),
            "docker" => Ok(Self::Docker),
            _ => Err(format!("jobs run with process or docker, not {name}")),
        }
    }
}

/// What `deploy/local/image` built.
fn image() -> String {
    std::env::var("EAI_TEST_IMAGE").unwrap_or_else(|_| "eai/python:3".into())
}

/// The ids of a platform's containers, whatever their state.
pub(crate) fn containers(platform: &str) -> Vec<String> {
    docker(&["ps", "--all", "--quiet", "--filter", &label(platform)])
}

/// The ids of one executor's.
pub(crate) fn containers_of(platform: &str, executor: &str) -> Vec<String> {
    let own = format!("label=eai.executor={executor}");
    let platform = label(platform);
    let filters = ["--filter", &platform, "--filter", &own];
    docker(&[&["ps", "--all", "--quiet"], &filters[..]].concat())
}

/// The ids of its networks.
pub(crate) fn networks(platform: &str) -> Vec<String> {
    docker(&["network", "ls", "--quiet", "--filter", &label(platform)])
}

/// Removes what a platform has of Docker, and nothing else.
pub(crate) fn clear(platform: &str) {
    for container in containers(platform) {
        docker(&["rm", "--force", "--volumes", &container]);
    }
    for network in networks(platform) {
        docker(&["network", "rm", &network]);
    }
}

fn label(platform: &str) -> String {
    format!("label=eai.platform={platform}")
}

fn docker(arguments: &[&str]) -> Vec<String> {
    let output = Command::new("docker").args(arguments).output();
    let printed = output.map(|output| output.stdout).unwrap_or_default();
    let printed = String::from_utf8_lossy(&printed).into_owned();
    printed.lines().map(str::to_owned).collect()
}

/// What a machine has of memory, in GB as specs have it.
///
/// # Panics
///
/// Where the machine does not say.
pub fn memory() -> f64 {
    let text = std::fs::read_to_string("/proc/meminfo").expect("a machine has memory");
    let line = text.lines().find(|line| line.starts_with("MemTotal:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    let kib: f64 = kib.and_then(|kib| kib.parse().ok()).expect("a number");
    kib / (1024.0 * 1024.0)
}
