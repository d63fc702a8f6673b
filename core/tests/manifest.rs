//! Lists of files against a model: plain maps, and rules written as slowly and plainly as can be.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::BTreeMap;

use eai_core::data::{File, FilePath, Glob, Manifest, Status};
use eai_core::digest::Digest;
use proptest::prelude::*;

type Model = BTreeMap<String, File>;

/// Few names, so that paths meet; `-` and `.` sort around `/`.
fn path() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["a", "b", "a-", "a.x", "ab", "ü"]);
    prop::collection::vec(name, 1..4).prop_map(|names| names.join("/"))
}

fn file() -> impl Strategy<Value = File> {
    (0..4_u64, any::<bool>()).prop_map(|(size, executable)| File {
        size,
        sha256: Digest::of(&size.to_be_bytes()),
        executable,
    })
}

fn files() -> impl Strategy<Value = Model> {
    prop::collection::btree_map(path(), file(), 0..8)
}

fn pattern() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec!["a", "*", "**", "?", "a*", "*b", "ü", "*.x", "a?"]);
    prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"))
}

/// Whether no file is a directory as well.
fn fits(model: &Model) -> bool {
    let inside = |file: &String| {
        model
            .keys()
            .any(|other| other.starts_with(&format!("{file}/")))
    };
    !model.keys().any(inside)
}

fn manifest(model: &Model) -> Option<Manifest> {
    let files = model
        .iter()
        .map(|(path, file)| (path.parse().unwrap(), *file));
    Manifest::new(files.collect()).ok()
}

fn model(manifest: &Manifest) -> Model {
    manifest
        .iter()
        .map(|(path, file)| (path.to_string(), *file))
        .collect()
}

/// A pattern against a path or a directory above it, by trying everything.
fn matches(pattern: &[&str], path: &[&str]) -> bool {
    fn whole(pattern: &[&str], path: &[&str]) -> bool {
        match (pattern, path) {
            ([], []) => true,
            (["**", rest @ ..], path) => (0..=path.len()).any(|skip| whole(rest, &path[skip..])),
            ([first, rest @ ..], [name, names @ ..]) => {
                component(first, name) && whole(rest, names)
            }
            _ => false,
        }
    }
    fn component(pattern: &str, name: &str) -> bool {
        let mut rest = pattern.chars();
        match rest.next() {
            None => name.is_empty(),
            Some('*') => {
                let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
                ends.into_iter()
                    .any(|at| component(rest.as_str(), name.split_at(at).1))
            }
            Some(c) => {
                let mut names = name.chars();
                names.next().is_some_and(|found| c == '?' || c == found)
                    && component(rest.as_str(), names.as_str())
            }
        }
    }
    (1..=path.len()).any(|length| whole(pattern, &path[..length]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn files_that_fit_are_a_manifest(files in files()) {
        let made = manifest(&files);
        prop_assert_eq!(made.is_some(), fits(&files));
        if let Some(made) = made {
            prop_assert_eq!(model(&made), files);
            let document = made.document().unwrap();
            prop_assert_eq!(Manifest::parse(&document.bytes), Ok(made.clone()));
            prop_assert_eq!(document.digest, Digest::of(&document.bytes));
            prop_assert_eq!(made.document().unwrap(), document, "the same files, the same bytes");
        }
    }

    #[test]
    fn a_change_removes_and_then_puts(
        before in files().prop_filter("a version", fits),
        put in files(),
        globs in prop::collection::vec(pattern(), 0..3),
    ) {
        let parts = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
        let is_removed = |path: &String| globs.iter().any(|glob| {
            let (glob, path) = (parts(glob), parts(path));
            let (glob, path): (Vec<&str>, Vec<&str>) =
                (glob.iter().map(String::as_str).collect(), path.iter().map(String::as_str).collect());
            matches(&glob, &path)
        });
        let mut expected: Model = before.clone();
        expected.retain(|path, _| !is_removed(path));
        expected.extend(put.clone());
        let remove: Vec<Glob> = globs.iter().map(|glob| glob.parse().unwrap()).collect();
        let put = put.iter().map(|(path, file)| (path.parse::<FilePath>().unwrap(), *file));
        let before = manifest(&before).unwrap();
        match before.changed(&remove, put) {
            Ok(after) => {
                prop_assert_eq!(&model(&after), &expected);
                for (path, file) in after.iter() {
                    let status = after.status(path, Some(&before));
                    let earlier = before.get(path);
                    prop_assert_eq!(status == Status::New, earlier.is_none());
                    prop_assert_eq!(status == Status::Unchanged, earlier == Some(file));
                }
            }
            Err(_) => prop_assert!(!fits(&expected)),
        }
    }

    #[test]
    fn paths_are_normal_or_refused(text in "[a./\\\\\u{0}\n ü-]{0,12}") {
        let normal = !text.is_empty()
            && text.split('/').all(|part| !matches!(part, "" | "." | ".."))
            && !text.contains(char::is_control);
        match text.parse::<FilePath>() {
            Ok(path) => {
                prop_assert!(normal);
                prop_assert_eq!(path.as_str(), text);
            }
            Err(error) => {
                prop_assert!(!normal);
                prop_assert!(!error.to_string().contains(char::is_control));
            }
        }
    }
}
