//! `eai.yaml`: read strictly, written without what need not be said.

use serde::{Deserialize, Serialize};
use serde_saphyr::options::MergeKeyPolicy;

use super::{
    AbsolutePath, Command, Cpu, Environment, Error, Gpus, Image, MAX_FILE_BYTES, Memory, Mounts,
    Port, Readiness, Requirements, Resources, Runtime, Seconds, Spec, UrlPath, Worker, explain,
};

/// What may stand in the file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FileSpec {
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime: Option<FileRuntime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<FileResources>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment_vars: Option<Environment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Mounts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workdir: Option<AbsolutePath>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<Port>,
    #[serde(skip_serializing_if = "Option::is_none")]
    readiness: Option<FileReadiness>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requirements: Option<Requirements>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<Worker>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preemptable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_run_time: Option<Seconds>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRuntime {
    image: Option<Image>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<Command>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FileResources {
    cpu: Option<Cpu>,
    mem: Option<Memory>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu: Option<Gpus>,
    #[serde(
        default,
        deserialize_with = "Memory::any",
        skip_serializing_if = "Option::is_none"
    )]
    gpu_mem: Option<Memory>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileReadiness {
    path: Option<UrlPath>,
}

/// Reads a file. The spec's parts are in order then, not yet the whole.
pub(super) fn read(bytes: &[u8]) -> Result<Spec, Error> {
    too_large(bytes)?;
    let text = std::str::from_utf8(bytes).map_err(|error| explain::not_text(bytes, error))?;
    let file: Option<FileSpec> = serde_saphyr::from_str_with_options(text, options())
        .map_err(|error| explain::yaml(&error))?;
    Ok(file.unwrap_or_default().into())
}

/// Writes a file that reads back as `spec`.
pub(super) fn write(spec: &Spec) -> Result<String, Error> {
    // Line folding is turned off: it is the one form in which white space could be read back otherwise.
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    let text = serde_saphyr::to_string_with_options(&FileSpec::from(spec), options)
        .map_err(|error| Error::new(format!("the spec could not be written: {error}")))?;
    // Escapes of control characters can make it much longer than the spec is.
    too_large(text.as_bytes())?;
    Ok(text)
}

fn too_large(bytes: &[u8]) -> Result<(), Error> {
    if bytes.len() <= MAX_FILE_BYTES {
        return Ok(());
    }
    Err(Error::new(format!(
        "the file is too large ({} bytes of {MAX_FILE_BYTES}): put scripts into files of their own",
        bytes.len()
    )))
}

/// A spec is small and flat: what is nested, repeated or merged beyond that is refused early.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 8,
            flow_nesting_limit: 8,
            max_events: 10_000,
            max_nodes: 5_000,
            max_aliases: 64,
            max_anchors: 64,
            max_recorded_anchor_events: 10_000,
            max_recorded_anchor_bytes: 1024 * 1024,
            max_total_scalar_bytes: 1024 * 1024,
            max_documents: 2,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 5_000,
            max_replay_stack_depth: 8,
        },
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

// === from file to spec and back ===

impl From<FileSpec> for Spec {
    fn from(file: FileSpec) -> Self {
        let written = file.runtime.as_ref();
        let is_commanded = written.is_some_and(|runtime| runtime.command.is_some());
        let mut runtime: Runtime = file.runtime.map(Into::into).unwrap_or_default();
        if file.worker.is_some() && !is_commanded {
            // Our default command would only stand in its way.
            runtime.command = Command::default();
        }
        Self {
            runtime,
            resources: file.resources.map(Into::into).unwrap_or_default(),
            environment_vars: file.environment_vars.unwrap_or_default(),
            data: file.data.unwrap_or_default(),
            workdir: file.workdir,
            port: file.port.unwrap_or_default(),
            readiness: Readiness {
                path: file.readiness.and_then(|readiness| readiness.path),
            },
            requirements: file.requirements,
            worker: file.worker,
            preemptable: file.preemptable.unwrap_or_default(),
            max_run_time: file.max_run_time.unwrap_or_default(),
        }
    }
}

impl From<FileRuntime> for Runtime {
    fn from(file: FileRuntime) -> Self {
        let default = Self::default();
        match (file.image, file.command) {
            (None, None) => default,
            (None, Some(command)) => Self { command, ..default },
            // Another image knows best what to run: our default command may not even exist in it.
            (Some(image), command) => Self {
                image,
                command: command.unwrap_or_default(),
            },
        }
    }
}

impl From<FileResources> for Resources {
    fn from(file: FileResources) -> Self {
        Self {
            cpu: file.cpu.unwrap_or_default(),
            mem: file.mem.unwrap_or_default(),
            gpu: file.gpu.unwrap_or_default(),
            gpu_mem: file.gpu_mem,
        }
    }
}

impl From<&Spec> for FileSpec {
    fn from(spec: &Spec) -> Self {
        fn unless_default<T: Clone + Default + PartialEq>(value: &T) -> Option<T> {
            (*value != T::default()).then(|| value.clone())
        }
        let Resources {
            cpu,
            mem,
            gpu,
            gpu_mem,
        } = spec.resources.clone();
        Self {
            runtime: Some(FileRuntime {
                image: Some(spec.runtime.image.clone()),
                command: unless_default(&spec.runtime.command),
            }),
            resources: Some(FileResources {
                cpu: Some(cpu),
                mem: Some(mem),
                gpu: unless_default(&gpu),
                gpu_mem,
            }),
            environment_vars: unless_default(&spec.environment_vars),
            data: unless_default(&spec.data),
            workdir: spec.workdir.clone(),
            port: unless_default(&spec.port),
            readiness: spec
                .readiness
                .path
                .clone()
                .map(|path| FileReadiness { path: Some(path) }),
            requirements: spec.requirements.clone(),
            worker: spec.worker.clone(),
            preemptable: unless_default(&spec.preemptable),
            max_run_time: unless_default(&spec.max_run_time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_written_as_people_would() {
        assert_eq!(
            write(&Spec::default()).unwrap(),
            "runtime:\n  image: python:3.10\n  command:\n  - /bin/sh\n  - -c\n  \
             - cp /service/* /tmp/ && python3 -m http.server 8080 --directory /tmp\n\
             resources:\n  cpu: 1\n  mem: 1\n"
        );
    }

    #[test]
    fn bombs_are_harmless() {
        let mut laughs = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (last, next) in ('a'..='y').zip('b'..='z') {
            let nine = vec![format!("*{last}"); 9].join(", ");
            laughs.extend([format!("{next}: &{next} [{nine}]\n")]);
        }
        assert!(Spec::parse(laughs.as_bytes()).is_err());
        let long = "x".repeat(15_000);
        let aliases = vec!["*a"; 400].join(", ");
        let repeated = format!("runtime:\n  image: a\n  command: [&a {long}, {aliases}]\n");
        assert!(Spec::parse(repeated.as_bytes()).is_err());
        let deep = "[".repeat(60_000);
        assert!(Spec::parse(deep.as_bytes()).is_err());
        let few = "runtime: {image: a}\ndata: []\nenvironmentVars: [&v A=1, *v]\n";
        assert!(Spec::parse(few.as_bytes()).is_ok());
    }
}
