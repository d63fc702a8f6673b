//! What is wrong with a file, where, and what to do: the YAML reader's errors in a user's words.

use serde_saphyr::{MessageFormatter as _, UserMessageFormatter};

use super::{Error, Position, suggest};

/// Says what is wrong in our words where a user is likely to meet it, else in the parser's.
pub(super) fn yaml(error: &serde_saphyr::Error) -> Error {
    use serde_saphyr::Error as Yaml;
    let error = error.without_snippet();
    let message = match error {
        Yaml::AliasError { error: inner, .. } => yaml(inner).message,
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

/// A file that is no text from some byte on.
pub(super) fn not_text(bytes: &[u8], error: std::str::Utf8Error) -> Error {
    Error {
        position: Some(position_of(bytes, error.valid_up_to())),
        message: "this is not UTF-8: save the file as UTF-8 text".into(),
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

#[cfg(test)]
mod tests {
    use super::super::{MAX_FILE_BYTES, Spec};

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
                "line 2, column 1: unknown field `bid`: the fields here are `runtime`, `resources`, `environmentVars`, `data`, `workdir`, `port`, `readiness`, `requirements`, `worker`, `preemptable`, `maxRunTime`",
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
}
