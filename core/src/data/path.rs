//! Paths of files in data: relative, normal, and the same on every machine.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::shown;

/// The longest path, in bytes.
pub const MAX_PATH: usize = 1024;
/// The longest component, in bytes: what file systems allow.
pub const MAX_COMPONENT: usize = 255;

/// Where a file is in data: components joined by `/`, none empty, `.` or `..`, without control characters.
///
/// Paths are ordered component by component, so that what is in a directory stands together.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FilePath(Box<str>);

/// A text that is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{path}` cannot be the path of a file in data: {why}. \
     Rename the file, or leave it out"
)]
pub struct BadPath {
    path: String,
    why: &'static str,
}

// === impl FilePath ===

impl FilePath {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `directory` or below it; everything is below the empty one.
    pub fn is_within(&self, directory: &str) -> bool {
        directory.is_empty() || self.below(directory).is_some() || *self.0 == *directory
    }

    /// What comes behind `directory/`; the whole path where `directory` is empty.
    pub fn below(&self, directory: &str) -> Option<&str> {
        if directory.is_empty() {
            return Some(&self.0);
        }
        self.0.strip_prefix(directory)?.strip_prefix('/')
    }

    /// The same path below a directory.
    pub fn inside(&self, directory: &Self) -> Result<Self, BadPath> {
        format!("{directory}/{self}").try_into()
    }

    fn order(&self) -> impl Iterator<Item = u8> {
        // No path has a NUL, so a separator sorts before every other byte.
        self.0
            .bytes()
            .map(|byte| if byte == b'/' { 0 } else { byte })
    }
}

impl Ord for FilePath {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(other.order())
    }
}

impl PartialOrd for FilePath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl TryFrom<String> for FilePath {
    type Error = BadPath;

    fn try_from(text: String) -> Result<Self, BadPath> {
        match fault(&text) {
            None => Ok(Self(text.into())),
            Some(why) => Err(BadPath {
                path: shown(&text),
                why,
            }),
        }
    }
}

impl FromStr for FilePath {
    type Err = BadPath;

    fn from_str(text: &str) -> Result<Self, BadPath> {
        text.to_owned().try_into()
    }
}

impl From<FilePath> for String {
    fn from(path: FilePath) -> Self {
        path.0.into()
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no path, if it is none.
fn fault(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("it is empty");
    }
    if text.len() > MAX_PATH {
        return Some("it is longer than 1024 bytes");
    }
    if text.starts_with('/') {
        return Some("it is absolute, and must be relative");
    }
    text.split('/').find_map(|part| match part {
        "" => Some("a component of it is empty"),
        "." | ".." => Some("`.` and `..` lead elsewhere"),
        part if part.len() > MAX_COMPONENT => Some("a component of it is longer than 255 bytes"),
        part if part.contains(char::is_control) => Some("it has control characters"),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> FilePath {
        text.parse().unwrap()
    }

    #[test]
    fn only_normal_relative_paths_are_paths() {
        let long = "x".repeat(255);
        let longest = format!("{long}/{long}/{long}/{}", "x".repeat(254));
        for good in [
            "a", "a/b", "...", ".eai", "a b/ü", "..%2f", r"a\b", "-", &longest,
        ] {
            assert!(good.parse::<FilePath>().is_ok(), "{good}");
        }
        let too_long = format!("{long}/{long}/{long}/{long}/x");
        for bad in [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "../a",
            "a/..",
            "a/./b",
            "a\0",
            "a\nb",
            "\u{7f}",
            "\u{85}",
            &format!("{long}x"),
            &too_long,
        ] {
            assert!(bad.parse::<FilePath>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_in_a_directory_stands_together() {
        let mut paths = ["a/b", "a.txt", "a-b", "b", "a", "a/b/c"].map(path);
        paths.sort();
        let sorted: Vec<_> = paths.iter().map(FilePath::as_str).collect();
        assert_eq!(sorted, ["a", "a/b", "a/b/c", "a-b", "a.txt", "b"]);
    }

    #[test]
    fn directories_hold_paths() {
        assert_eq!(path("a/b").below("a"), Some("b"));
        assert_eq!(path("a/b").below(""), Some("a/b"));
        assert_eq!(path("ab").below("a"), None);
        assert!(path("a").is_within("a") && !path("ab").is_within("a"));
        assert_eq!(path("b").inside(&path("a")).unwrap(), path("a/b"));
    }
}
