//! The job spec, written by users as `eai.yaml`: what to run, with what, and how to tell that it is ready.
//!
//! A [`Spec`] is always in order and normalised: defaults filled in, quantities as integers, variables and
//! mounts sorted. So two specs that mean the same are equal and have the same [`Spec::hash`]. It knows nothing
//! of services, jobs, or how a spec is carried out.
//!
//! Reading `eai.yaml` is strict, for a misspelt field would otherwise be a silent default. Reading a spec in an
//! event ignores fields that it doesn't know, as with every payload. Bounds may be loosened, never tightened:
//! events hold specs for ever.

mod canonical;
mod environment;
mod error;
mod explain;
mod file;
mod list;
mod mount;
mod quantity;
mod requirements;
mod suggest;
mod text;
mod worker;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;

pub use environment::Environment;
pub use error::{BadValue, Error, Position};
pub use list::Command;
pub use mount::{Access, Mount, Mounts};
pub use quantity::{Cpu, Gpus, Memory, Port, Seconds};
pub use text::{AbsolutePath, Argument, Attribute, Image, Requirements, UrlPath};
pub use worker::Worker;

/// The largest `eai.yaml`, in bytes.
pub const MAX_FILE_BYTES: usize = 64 * 1024;
/// The largest spec in its canonical form, in bytes: it shares an event with other fields.
pub const MAX_BYTES: usize = 32 * 1024;
/// Where a service's runtime is mounted in its jobs.
pub const RUNTIME_PATH: &str = "/service";

/// What a job runs, and with what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// What is run.
    pub runtime: Runtime,
    /// What it may use.
    pub resources: Resources,
    /// Its environment, each variable as `NAME=value`.
    pub environment_vars: Environment,
    /// The data that is mounted, each as `NAME[@version][/subpath]:/path[:ro|:rw]`.
    pub data: Mounts,
    /// The directory it starts in; the image's own where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workdir: Option<AbsolutePath>,
    /// The port on which it answers.
    pub port: Port,
    /// How to tell that it is ready.
    pub readiness: Readiness,
    /// The Python packages that it finds beside its own; none where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Requirements")]
    pub requirements: Option<Requirements>,
    /// What a worker of a queue service runs instead of the command; the command where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Worker")]
    pub worker: Option<Worker>,
    /// Whether it may be interrupted for another job.
    pub preemptable: bool,
    /// How long it may run, in seconds; 0: as long as it likes.
    pub max_run_time: Seconds,
}

/// What is run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Runtime {
    /// The container image. Images are compared as written: `python` and `python:latest` differ.
    pub image: Image,
    /// The command and its arguments; the image's own where it is empty.
    #[serde(default)]
    pub command: Command,
}

/// What a job may use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Resources {
    /// Processor cores.
    pub cpu: Cpu,
    /// Memory, in GB of 1024 MiB.
    pub mem: Memory,
    /// Graphics processors.
    pub gpu: Gpus,
    /// The memory that each graphics processor must have at least, in GB; any where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu_mem: Option<Memory>,
}

/// How to tell that a job is ready.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Readiness {
    /// What to ask for over HTTP; where it is absent, a connection to the port is enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<UrlPath>,
}

// === impl Spec ===

impl Spec {
    /// Reads an `eai.yaml`. What isn't written has its default; an empty file is the default spec.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let spec = file::read(bytes)?;
        spec.check()?;
        Ok(spec)
    }

    /// Writes an `eai.yaml` that reads back as this spec. Defaults are left out, but for image, command, cpu
    /// and memory.
    pub fn to_yaml(&self) -> Result<String, Error> {
        file::write(self)
    }

    /// What the parts of a spec cannot say on their own. [`Spec::parse`] has checked it; one that was put
    /// together by hand is checked before it goes into a command.
    pub fn check(&self) -> Result<(), Error> {
        if self.resources.gpu_mem.is_some() && self.resources.gpu == Gpus::default() {
            return Err(Error::new(
                "`resources.gpuMem` asks for graphics memory without a `gpu`: add `gpu: 1`, or remove it",
            ));
        }
        if self.worker.is_some() && !self.runtime.command.is_empty() {
            return Err(Error::new(
                "`worker` and `runtime.command` both say what runs: remove one of them",
            ));
        }
        let length = self.canonical().len();
        if length > MAX_BYTES {
            return Err(Error::new(format!(
                "the spec is too large ({length} bytes of {MAX_BYTES}): \
                 put long scripts and settings into a file of the runtime, and name that file here"
            )));
        }
        Ok(())
    }

    /// What this spec means, as a hash: equal for specs that mean the same, in every version of eai.
    pub fn hash(&self) -> Digest {
        Digest::of(self.canonical().as_bytes())
    }
}

// === impl Runtime ===

/// What runs in a service that has no `eai.yaml`: the runtime's files, served over HTTP.
impl Default for Runtime {
    fn default() -> Self {
        Self {
            image: Image::default(),
            command: Command::serve_files(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Spec {
        Spec::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_default_is_what_is_documented() {
        let written = parse(
            r#"
runtime:
  image: python:3.10
  command:
    - "/bin/sh"
    - "-c"
    - "cp /service/* /tmp/ && python3 -m http.server 8080 --directory /tmp"
resources:
  cpu: 1
  mem: 1
"#,
        );
        assert_eq!(written, Spec::default());
        for empty in [
            "",
            "\n\n",
            "# nothing yet\n",
            "---\n",
            "runtime:\nresources: {}\n",
            "{}",
        ] {
            assert_eq!(parse(empty), Spec::default(), "{empty:?}");
        }
    }

    #[test]
    fn the_command_of_a_named_image_is_its_own() {
        let named = parse("runtime: {image: nginx}");
        assert!(named.runtime.command.is_empty());
        let commanded = parse("runtime: {command: [sleep, 10]}");
        assert_eq!(commanded.runtime.image, Image::default());
        assert_eq!(commanded.runtime.command.to_string(), "sleep 10");
    }

    #[test]
    fn every_field_is_read_and_written() {
        let text = r#"
runtime: {image: "registry.local:5000/team/web@sha256:00ff", command: [python3, -u, /service/server.py]}
resources: {cpu: 0.5, mem: 2.5, gpu: 2, gpuMem: 32}
environmentVars: [B=2=3, A=, B=last]
data: ["snow.testacc.models@v2/large:/models:rw", "files/:/mnt/files/"]
workdir: /tmp/
port: 9000
readiness: {path: /healthz?full=1}
preemptable: true
maxRunTime: 3600
"#;
        let spec = parse(text);
        assert_eq!(spec.resources.cpu.milli(), 500);
        assert_eq!(spec.resources.mem.mebibytes(), 2560);
        assert_eq!(
            spec.environment_vars.iter().collect::<Vec<_>>(),
            [("A", ""), ("B", "last")]
        );
        assert_eq!(
            spec.data
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
            [
                "files:/mnt/files",
                "snow.testacc.models@v2/large:/models:rw"
            ]
        );
        assert_eq!(spec.workdir.as_ref().unwrap().as_str(), "/tmp");
        let again = parse(&spec.to_yaml().unwrap());
        assert_eq!(again, spec);
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<Spec>(&json).unwrap(), spec, "{json}");
    }

    #[test]
    fn a_spec_in_an_event_may_grow() {
        let newer =
            r#"{"runtime":{"image":"nginx","user":7},"bid":3,"resources":{"cpu":1,"disk":9}}"#;
        let spec: Spec = serde_json::from_str(newer).unwrap();
        assert_eq!(spec.runtime.image.as_str(), "nginx");
        assert!(
            serde_json::from_str::<Spec>(r#"{"port":0}"#).is_err(),
            "but it is checked"
        );
    }

    #[test]
    fn a_worker_takes_the_place_of_the_command() {
        for (text, canonical) in [
            (
                "worker: {handler: app.handle}",
                r#"{"handler":"app.handle"}"#,
            ),
            (
                "{worker: {agiWorker: flight_worker.FlightWorker}, runtime: {image: python:3.12}}",
                r#"{"agiWorker":"flight_worker.FlightWorker"}"#,
            ),
        ] {
            let spec = parse(text);
            assert!(spec.runtime.command.is_empty(), "{text}");
            assert!(
                spec.canonical()
                    .ends_with(&format!(r#","worker":{canonical}}}"#))
            );
            assert_eq!(parse(&spec.to_yaml().unwrap()), spec);
            let json = serde_json::to_string(&spec).unwrap();
            assert_eq!(serde_json::from_str::<Spec>(&json).unwrap(), spec, "{json}");
        }
        for bad in [
            "worker: {handler: app.handle}\nruntime: {command: [sleep, 1]}",
            "worker: {handler: app}",
            "worker: {handler: a.b, agiWorker: a.b}",
            "worker: {function: a.b}",
            "worker: a.b",
        ] {
            assert!(Spec::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_parts_cannot_say_is_checked() {
        let error = Spec::parse(b"resources: {gpuMem: 4}").unwrap_err();
        assert!(error.to_string().contains("add `gpu: 1`"), "{error}");
        assert!(Spec::parse(b"resources: {gpuMem: 0}").is_ok());
        let long = format!(
            "runtime:\n  image: x\n  command: [{}]",
            "aaaaaaa, ".repeat(200)
        );
        assert!(Spec::parse(long.as_bytes()).is_ok());
        let variables: Vec<_> = (0..9)
            .map(|index| format!("A{index}={}", "x".repeat(4000)))
            .collect();
        let long = format!("environmentVars: [{}]", variables.join(", "));
        let error = Spec::parse(long.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("too large"), "{error}");
    }
}
