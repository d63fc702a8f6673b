//! Patterns over paths: `*` and `?` within a component, `**` across components.

use std::fmt;
use std::str::FromStr;

use super::path::{FilePath, MAX_COMPONENT, MAX_PATH};
use crate::names::shown;

/// A pattern. One that matches a directory matches everything in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Vec<Box<str>>);

/// A text that is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a pattern of paths: write a path such as `logs/*.txt` or `cache/**`, \
     relative, without `.`, `..` and doubled slashes"
)]
pub struct BadGlob(String);

// === impl Glob ===

impl Glob {
    /// Whether the pattern matches the path, or a directory that it is in.
    pub fn matches(&self, path: &FilePath) -> bool {
        let parts: Vec<&str> = path.as_str().split('/').collect();
        // `reached[i]`: the pattern's components so far match the first `i` of the path's.
        let mut reached = vec![false; parts.len() + 1];
        reached[0] = true;
        for component in &self.0 {
            let mut next = vec![false; parts.len() + 1];
            if &**component == "**" {
                let mut any = false;
                for (at, before) in reached.iter().enumerate() {
                    any |= *before;
                    next[at] = any;
                }
            } else {
                for (at, part) in parts.iter().enumerate() {
                    next[at + 1] = reached[at] && component_matches(component, part);
                }
            }
            reached = next;
        }
        // Below a directory that matches, everything does; the root itself is no path.
        reached.iter().skip(1).any(|matched| *matched)
    }
}

impl FromStr for Glob {
    type Err = BadGlob;

    fn from_str(text: &str) -> Result<Self, BadGlob> {
        let pattern = text.strip_suffix('/').unwrap_or(text);
        let part_is_bad = |part: &str| {
            matches!(part, "" | "." | "..")
                || part.len() > MAX_COMPONENT
                || part.contains(char::is_control)
        };
        if pattern.len() > MAX_PATH || pattern.split('/').any(part_is_bad) {
            return Err(BadGlob(shown(text)));
        }
        Ok(Self(pattern.split('/').map(Into::into).collect()))
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("/"))
    }
}

/// One component against its pattern, without backtracking over more than the last `*`.
fn component_matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star_at, from)) = star else {
                    return false;
                };
                star = Some((star_at, from + 1));
                p = star_at + 1;
                t = from + 1;
            }
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, matched: &[&str], others: &[&str]) {
        let glob: Glob = pattern.parse().unwrap();
        let matches = |path: &str| glob.matches(&path.parse().unwrap());
        for path in matched {
            assert!(matches(path), "{pattern} {path}");
        }
        for path in others {
            assert!(!matches(path), "{pattern} {path}");
        }
    }

    #[test]
    fn patterns_match_paths_and_what_is_in_them() {
        check("a", &["a", "a/b", "a/b/c"], &["ab", "b/a"]);
        check("*", &["a", "a/b"], &[]);
        check("*.txt", &["a.txt", ".txt"], &["a.txt.gz", "a/b.txt"]);
        check("a/*.txt", &["a/b.txt"], &["a/b/c.txt", "a.txt"]);
        check("**/*.txt", &["b.txt", "a/b.txt", "a/b/c.txt"], &["a/b"]);
        check("a/**", &["a/b", "a/b/c"], &["b/a"]);
        check("a/**/z", &["a/z", "a/b/c/z", "a/b/z/x"], &["a/b", "z"]);
        check("?", &["ü", "a"], &["ab"]);
        check("a*b*c", &["abc", "aXbXbXc"], &["ab", "acb"]);
    }

    #[test]
    fn what_leads_elsewhere_is_no_pattern() {
        for bad in ["", "/", "/a", "a//b", "../*", "a/./b", "a\n"] {
            assert!(bad.parse::<Glob>().is_err(), "{bad:?}");
        }
        assert_eq!("a/".parse::<Glob>().unwrap().to_string(), "a");
    }

    #[test]
    fn a_hostile_pattern_is_no_work() {
        let pattern = format!("{}b", "*a".repeat(127));
        let text = "a".repeat(255);
        assert!(
            !pattern
                .parse::<Glob>()
                .unwrap()
                .matches(&text.parse().unwrap())
        );
    }
}
