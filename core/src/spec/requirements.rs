//! Python packages by name and version: the part of a `requirements.txt` that no file of the platform's can come of.

use super::BadValue;
use crate::names::shown;

/// The longest list, in bytes.
pub(super) const MAX_LENGTH: usize = 16 * 1024;

/// Checks that each line is a name with versions, markers and hashes, and nothing else: no option, path, URL or
/// variable.
pub(super) fn requirements(text: &str) -> Result<&str, BadValue> {
    if text.len() > MAX_LENGTH {
        return Err(BadValue(format!(
            "the requirements are too long ({} bytes of {MAX_LENGTH}): name fewer packages",
            text.len()
        )));
    }
    let joined = text.replace("\r\n", "\n").replace("\\\n", " ");
    let mut has_one = false;
    for line in joined.lines().map(without_comment) {
        if line.is_empty() {
            continue;
        }
        has_one = true;
        if !is_requirement(line) {
            return Err(BadValue(format!(
                "`{}` is no package of an index: write NAME, or NAME==VERSION, one a line, without options, \
                 paths, URLs and variables",
                shown(line)
            )));
        }
    }
    if has_one {
        return Ok(text);
    }
    Err(BadValue(
        "the requirements name no package: write NAME==VERSION, one a line".to_owned(),
    ))
}

fn without_comment(line: &str) -> &str {
    let end = line.match_indices('#').find(|(at, _)| {
        let before = line.get(..*at).unwrap_or_default();
        before.is_empty() || before.ends_with(char::is_whitespace)
    });
    let line = end.and_then(|(at, _)| line.get(..at)).unwrap_or(line);
    line.trim()
}

fn is_requirement(line: &str) -> bool {
    let mut words = line.split_whitespace().rev().peekable();
    while words.next_if(|word| is_hash(word)).is_some() {}
    let words: Vec<&str> = words.collect();
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || b"._-[],<>=!~*+() ;'\"\t".contains(&byte);
    line.starts_with(|first: char| first.is_ascii_alphanumeric())
        && words
            .iter()
            .all(|word| !word.starts_with('-') && word.bytes().all(allowed))
        && !words.is_empty()
}

fn is_hash(word: &str) -> bool {
    let hash = word
        .strip_prefix("--hash=")
        .and_then(|hash| hash.split_once(':'));
    hash.is_some_and(|(kind, digest)| {
        ["sha256", "sha384", "sha512"].contains(&kind)
            && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_have_names_and_versions() {
        for good in [
            "six",
            "six==1.16.0\n",
            "# all of it\nsix == 1.16.0  # why\r\n\nrequests[socks] >=2, <3 ; python_version < '3.12'\n",
            "six==1.16.0 \\\n  --hash=sha256:00ff \\\n  --hash=sha256:ff00\n",
            "a~=1.0+local",
        ] {
            assert_eq!(requirements(good).unwrap(), good);
        }
    }

    #[test]
    fn nothing_of_the_platform_can_be_named() {
        for bad in [
            "",
            "# nothing\n",
            "-e .",
            "-r other.txt",
            "--find-links file:///",
            "--index-url=https://x",
            "six\n-r x",
            "six --global-option=x",
            "six --hash=sha256:/etc",
            "./local",
            "/etc/passwd",
            "local/dir",
            "file:///etc/passwd",
            "six @ file:///etc/passwd",
            "git+https://example.org/x",
            "six==${SECRET}",
            "six \\\n-r x",
            "c:\\x",
            "sïx",
        ] {
            assert!(requirements(bad).is_err(), "{bad:?}");
        }
        assert!(requirements(&"six\n".repeat(5000)).is_err());
    }
}
