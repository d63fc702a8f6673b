//! `eai.yaml`: read strictly, with the place of what is wrong; written without what need not be said.

use serde::{Deserialize, Serialize};
use serde_saphyr::options::MergeKeyPolicy;
use serde_saphyr::{MessageFormatter as _, UserMessageFormatter};

use super::error::{Error, Position};
use super::{
    AbsolutePath, Command, Cpu, Environment, Gpus, Image, MAX_FILE_BYTES, Memory, Mounts, Port,
    Readiness, Resources, Runtime, Seconds, Spec, UrlPath, suggest,
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
    if bytes.len() > MAX_FILE_BYTES {
        return Err(Error::new(format!(
            "the file is too large ({} bytes of {MAX_FILE_BYTES}): put scripts into files of their own",
            bytes.len()
        )));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| Error {
        position: Some(position_of(bytes, error.valid_up_to())),
        message: "this is not UTF-8: save the file as UTF-8 text".into(),
    })?;
    let file: Option<FileSpec> =
        serde_saphyr::from_str_with_options(text, options()).map_err(|error| explain(&error))?;
    Ok(file.unwrap_or_default().into())
}

/// Writes a file that reads back as `spec`.
pub(super) fn write(spec: &Spec) -> Result<String, Error> {
    // Line folding is turned off: it is the one form in which white space could be read back otherwise.
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    serde_saphyr::to_string_with_options(&FileSpec::from(spec), options)
        .map_err(|error| Error::new(format!("the spec could not be written: {error}")))
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

/// Says what is wrong in our words where a user is likely to meet it, else in the parser's.
fn explain(error: &serde_saphyr::Error) -> Error {
    use serde_saphyr::Error as Yaml;
    let error = error.without_snippet();
    let message = match error {
        Yaml::AliasError { error: inner, .. } => explain(inner).message,
        Yaml::Message { msg, .. } => msg.clone(),
        Yaml::SerdeUnknownField {
            field, expected, ..
        } => suggest::unknown_field(field, expected),
        Yaml::SerdeInvalidType {
            unexpected,
            expected,
            ..
        }
        | Yaml::SerdeInvalidValue {
            unexpected,
            expected,
            ..
        } => {
            let found: String = unexpected.chars().take(80).collect();
            format!("found {found}: write {expected}")
        }
        Yaml::DuplicateMappingKey { key, .. } => format!(
            "the field `{}` stands here twice: remove one",
            crate::names::shown(key.as_deref().unwrap_or("?"))
        ),
        Yaml::InvalidBooleanStrict { .. } => {
            "this is neither true nor false: write one of them".into()
        }
        Yaml::NullIntoString { .. } => {
            "this is empty: write a text, or \"\" for an empty one".into()
        }
        Yaml::MultipleDocuments { .. } => {
            "a second document starts here: write one, without `---`".into()
        }
        Yaml::Unexpected {
            expected: "mapping start",
            ..
        } => "fields are expected here: write each as `name: value`".into(),
        Yaml::MergeKeyNotAllowed { .. } => "`<<` is not supported: write the fields out".into(),
        Yaml::Budget { .. }
        | Yaml::AliasReplayLimitExceeded { .. }
        | Yaml::AliasReplayStackDepthExceeded { .. } => {
            "this is nested or repeated too much for a spec: write it out, with fewer anchors"
                .into()
        }
        other => UserMessageFormatter.format_message(other).into_owned(),
    };
    Error {
        position: error.location().map(|place| Position {
            line: place.line(),
            column: place.column(),
        }),
        message,
    }
}

/// Where a byte stands in a text that is valid up to there.
fn position_of(bytes: &[u8], offset: usize) -> Position {
    let before = String::from_utf8_lossy(bytes.get(..offset).unwrap_or_default());
    let (lines, last) = before.rsplit_once('\n').unwrap_or(("", &before));
    let lines = if before.contains('\n') {
        lines.split('\n').count()
    } else {
        0
    };
    let count = |number: usize| u64::try_from(number).map_or(u64::MAX, |number| number + 1);
    Position {
        line: count(lines),
        column: count(last.chars().count()),
    }
}

// === from file to spec and back ===

impl From<FileSpec> for Spec {
    fn from(file: FileSpec) -> Self {
        Self {
            runtime: file.runtime.map(Into::into).unwrap_or_default(),
            resources: file.resources.map(Into::into).unwrap_or_default(),
            environment_vars: file.environment_vars.unwrap_or_default(),
            data: file.data.unwrap_or_default(),
            workdir: file.workdir,
            port: file.port.unwrap_or_default(),
            readiness: Readiness {
                path: file.readiness.and_then(|readiness| readiness.path),
            },
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
    fn errors_say_where_and_what_to_do() {
        for (text, expected) in [
            (
                "runtime:\n  imgae: x\n",
                "line 2, column 3: unknown field `imgae`: did you mean `image`?",
            ),
            (
                "image: x\n",
                "line 1, column 1: unknown field `image` here: it belongs in `runtime`",
            ),
            (
                "port: 1\nbid: 3\n",
                "line 2, column 1: unknown field `bid`: the fields here are `runtime`, `resources`, `environmentVars`, `data`, `workdir`, `port`, `readiness`, `preemptable`, `maxRunTime`",
            ),
            (
                "port: 1\nport: 2\n",
                "line 2, column 1: the field `port` stands here twice: remove one",
            ),
            (
                "port: 70000\n",
                "line 1, column 7: a port cannot be 70000: use a whole number from 1 to 65535",
            ),
            (
                "port: '80'\n",
                "line 1, column 1: found string \"80\": write a whole number from 1 to 65535",
            ),
            (
                "resources:\n  cpu: two\n",
                "line 2, column 3: found string \"two\": write a number without a unit, such as 2 or 0.5",
            ),
            (
                "resources:\n  cpu: 0\n",
                "line 2, column 8: cpu (in cores) cannot be 0: use a number from 0.01 to 1024",
            ),
            (
                "resources: {cpu: .nan}\n",
                "line 1, column 18: value `.nan` is not a finite number",
            ),
            (
                "runtime:\n  command: python3 x.py\n",
                "line 2, column 3: found string \"python3 x.py\": write a list of texts, such as [python3, -u, /service/server.py]",
            ),
            (
                "runtime:\n  command: [a, ~]\n",
                "line 2, column 16: this is empty: write a text, or \"\" for an empty one",
            ),
            (
                "environmentVars: {A: 1}\n",
                "line 1, column 18: found map: write a list of texts, such as [MODE=fast, LEVEL=2]",
            ),
            (
                "environmentVars:\n  - A=1\n  - B\n",
                "line 3, column 5: `B` is not an environment variable: write NAME=value",
            ),
            (
                "data:\n  - files\n",
                "line 2, column 5: `files` is not a mount: it has no path; write NAME[@version][/subpath]:/path[:ro|:rw]",
            ),
            (
                "data: ['a:/x', 'b:/x/y']\n",
                "line 1, column 7: the mounts at `/x` and `/x/y` overlap: give each a path of its own",
            ),
            (
                "preemptable: yes\n",
                "line 1, column 14: this is neither true nor false: write one of them",
            ),
            (
                "maxRunTime: 1.5\n",
                "line 1, column 1: found floating point `1.5`: write a whole number from 0 to 315360000",
            ),
            (
                "- a\n",
                "line 1, column 1: fields are expected here: write each as `name: value`",
            ),
            (
                "port: 1\n---\nport: 2\n",
                "line 3, column 1: a second document starts here: write one, without `---`",
            ),
            (
                "runtime: {<<: {image: x}}\n",
                "line 1, column 11: `<<` is not supported: write the fields out",
            ),
            (
                "runtime: &a {image: x}\nreadiness: *a\n",
                "line 2, column 12: unknown field `image` here: it belongs in `runtime`",
            ),
            (
                "workdir: *nope\n",
                "line 1, column 10: reference to unknown value",
            ),
        ] {
            let error = Spec::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), expected, "{text:?}");
        }
    }

    #[test]
    fn what_a_field_cannot_be_is_refused() {
        for text in [
            "hello",
            "port: [1",
            "port: 1\n  x",
            "workdir: ../x",
            "readiness: {path: health}",
            "runtime: {image: !custom x}",
            "runtime: {command: [a, \"b\\0\"]}",
            "runtime: {command: ['', a]}",
            "a: [[[[[[[[[[[[1]]]]]]]]]]]]",
            "\u{0}",
        ] {
            let error = Spec::parse(text.as_bytes()).unwrap_err();
            assert!(error.position.is_some(), "{text:?}: {error}");
        }
    }

    #[test]
    fn what_is_not_text_is_refused() {
        let error = Spec::parse(b"port: 1\nw: \xc3\xbc\xff").unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 2, column 5: this is not UTF-8: save the file as UTF-8 text"
        );
        assert!(Spec::parse(&vec![b' '; MAX_FILE_BYTES]).is_ok());
        assert!(Spec::parse(&vec![b' '; MAX_FILE_BYTES + 1]).is_err());
    }

    #[test]
    fn bombs_are_harmless() {
        let mut laughs = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (last, next) in ('a'..'z').zip('b'..='z') {
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
