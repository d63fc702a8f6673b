//! What a user may have meant by a field that isn't there.

use crate::names::shown;

/// Fields that other formats have at the top, and what they are in here.
const ELSEWHERE: [(&str, &str); 10] = [
    ("image", "runtime"),
    ("command", "runtime"),
    ("cpu", "resources"),
    ("mem", "resources"),
    ("gpu", "resources"),
    ("gpuMem", "resources"),
    ("path", "readiness"),
    ("runtime", "the top level"),
    ("resources", "the top level"),
    ("port", "the top level"),
];

/// The message for an unknown `field` where only `known` ones are.
pub(super) fn unknown_field(field: &str, known: &[&str]) -> String {
    let written = shown(field);
    if let Some(meant) = nearest(field, known) {
        return format!("unknown field `{written}`: did you mean `{meant}`?");
    }
    if let Some((_, place)) = ELSEWHERE.iter().find(|(name, _)| *name == field) {
        return format!("unknown field `{written}` here: it belongs in `{place}`");
    }
    let known: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
    format!(
        "unknown field `{written}`: the fields here are {}",
        known.join(", ")
    )
}

/// The known word that a third of the letters at most make another.
fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |text: &str| -> Vec<char> {
        let letters = text
            .chars()
            .take(64)
            .filter(|letter| letter.is_alphanumeric());
        letters.flat_map(char::to_lowercase).collect()
    };
    let written = plain(written);
    let candidates = known.iter().map(|name| {
        let name_plain = plain(name);
        (
            distance(&written, &name_plain),
            name_plain.len().max(written.len()),
            *name,
        )
    });
    let (distance, length, name) = candidates.min()?;
    (distance * 3 <= length).then_some(name)
}

/// How many letters are added, left out, changed or swapped with the next.
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (row, letter) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in right.iter().enumerate() {
            let changed = last[column] + usize::from(letter != other);
            let mut best = changed.min(last[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && *letter == right[column - 1] && left[row - 1] == *other {
                best = best.min(before[column - 1] + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_understood() {
        let top = [
            "runtime",
            "resources",
            "environmentVars",
            "data",
            "maxRunTime",
            "port",
        ];
        for (written, meant) in [
            ("runtim", "runtime"),
            ("rutnime", "runtime"),
            ("max_run_time", "maxRunTime"),
            ("environmentvars", "environmentVars"),
            ("resource", "resources"),
            ("ports", "port"),
        ] {
            assert_eq!(nearest(written, &top), Some(meant), "{written}");
        }
        assert_eq!(nearest("bid", &top), None);
        assert_eq!(nearest("", &top), None);
        assert!(unknown_field("image", &top).contains("belongs in `runtime`"));
        assert!(unknown_field("bid", &top).contains("`maxRunTime`, `port`"));
    }

    #[test]
    fn distances() {
        let between = |left: &str, right: &str| {
            let letters = |text: &str| text.chars().collect::<Vec<_>>();
            distance(&letters(left), &letters(right))
        };
        assert_eq!(between("", "abc"), 3);
        assert_eq!(between("abc", "abc"), 0);
        assert_eq!(between("abc", "acb"), 1);
        assert_eq!(between("kitten", "sitting"), 3);
    }
}
