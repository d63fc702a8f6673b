//! What a version of data consists of: an immutable list of files, named by its digest.
//!
//! It knows paths and digests. What the contents are, and where they are kept, it must not know.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::glob::Glob;
use super::path::FilePath;
use crate::digest::Digest;

/// The most files of one version.
pub const MAX_FILES: usize = 100_000;
/// The largest manifest as a document, in bytes.
pub const MAX_MANIFEST: usize = 32 * 1024 * 1024;
/// What the document says it is.
const FORMAT: &str = "eai.manifest.v1";

/// One file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its length in bytes.
    pub size: u64,
    /// The hash of its content.
    pub sha256: Digest,
    /// Whether it may be run.
    #[serde(default, skip_serializing_if = "is_false")]
    pub executable: bool,
}

/// The files of one version, ordered by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest(BTreeMap<FilePath, File>);

/// A manifest in its canonical form: the same files give the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The JSON text.
    pub bytes: Vec<u8>,
    /// Its hash: the name of the version's list of files.
    pub digest: Digest,
}

/// What happened to a file since another version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "FileStatus")]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It was not there.
    New,
    /// It was there with another content, or ran otherwise.
    Modified,
    /// It is the same.
    Unchanged,
}

/// Why there is no such manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadManifest {
    /// A file would have to be a directory as well.
    #[error(
        "`{file}` is a file, and `{inside}` makes it a directory: \
         remove one of them (`eai data content rm`), or push to another place"
    )]
    Overlap {
        /// The one that is a file.
        file: FilePath,
        /// A file in it.
        inside: FilePath,
    },
    /// There are too many files.
    #[error("data may have {MAX_FILES} files, and this would be {0}: pack them into an archive")]
    TooManyFiles(usize),
    /// The paths are too long altogether.
    #[error(
        "the list of files is {0} bytes long, and {MAX_MANIFEST} are allowed: \
         use shorter paths, or pack the files into an archive"
    )]
    TooLarge(usize),
    /// The sizes do not add up to a number.
    #[error("the sizes of the files add up to more than can be counted")]
    TooManyBytes,
    /// It is no manifest.
    #[error("the list of files cannot be read: {0}")]
    Unreadable(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    path: FilePath,
    size: u64,
    sha256: Digest,
    #[serde(default, skip_serializing_if = "is_false")]
    executable: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    format: String,
    files: Vec<Entry>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !value
}

// === impl Manifest ===

impl Manifest {
    /// The files, if they can be there together.
    pub fn new(files: BTreeMap<FilePath, File>) -> Result<Self, BadManifest> {
        if files.len() > MAX_FILES {
            return Err(BadManifest::TooManyFiles(files.len()));
        }
        // In this order a directory's files come right behind a file of its name.
        for ((file, _), (next, _)) in files.iter().zip(files.iter().skip(1)) {
            if next.below(file.as_str()).is_some() {
                return Err(BadManifest::Overlap {
                    file: file.clone(),
                    inside: next.clone(),
                });
            }
        }
        let mut total: u64 = 0;
        for file in files.values() {
            total = total
                .checked_add(file.size)
                .ok_or(BadManifest::TooManyBytes)?;
        }
        // Event and views count in signed numbers.
        i64::try_from(total).map_err(|_| BadManifest::TooManyBytes)?;
        Ok(Self(files))
    }

    /// This list without what `remove` matches, and then with `put` added, or in place of what was there.
    pub fn changed(
        &self,
        remove: &[Glob],
        put: impl IntoIterator<Item = (FilePath, File)>,
    ) -> Result<Self, BadManifest> {
        let mut files = self.0.clone();
        if !remove.is_empty() {
            files.retain(|path, _| !remove.iter().any(|glob| glob.matches(path)));
        }
        files.extend(put);
        Self::new(files)
    }

    /// The files in order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&FilePath, &File)> {
        self.0.iter()
    }

    /// The files behind a path, in order.
    pub fn after(&self, path: &FilePath) -> impl Iterator<Item = (&FilePath, &File)> {
        use std::ops::Bound;
        self.0
            .range((Bound::Excluded(path.clone()), Bound::Unbounded))
    }

    /// A file.
    pub fn get(&self, path: &FilePath) -> Option<&File> {
        self.0.get(path)
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How long all files are together.
    pub fn bytes(&self) -> u64 {
        self.0.values().map(|file| file.size).sum()
    }

    /// What happened to a file since `earlier`; everything is new since nothing.
    pub fn status(&self, path: &FilePath, earlier: Option<&Self>) -> Status {
        match (
            self.get(path),
            earlier.and_then(|earlier| earlier.get(path)),
        ) {
            (Some(now), Some(then)) if now == then => Status::Unchanged,
            (_, Some(_)) => Status::Modified,
            (_, None) => Status::New,
        }
    }

    /// The canonical form.
    pub fn document(&self) -> Result<Document, BadManifest> {
        let entries = self.0.iter().map(|(path, file)| Entry {
            path: path.clone(),
            size: file.size,
            sha256: file.sha256,
            executable: file.executable,
        });
        let text = Text {
            format: FORMAT.into(),
            files: entries.collect(),
        };
        let bytes = serde_json::to_vec(&text).map_err(unreadable)?;
        if bytes.len() > MAX_MANIFEST {
            return Err(BadManifest::TooLarge(bytes.len()));
        }
        let digest = Digest::of(&bytes);
        Ok(Document { bytes, digest })
    }

    /// Reads a document. What it says is checked; that its digest is the expected one, by the caller.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadManifest> {
        if bytes.len() > MAX_MANIFEST {
            return Err(BadManifest::TooLarge(bytes.len()));
        }
        let text: Text = serde_json::from_slice(bytes).map_err(unreadable)?;
        if text.format != FORMAT {
            return Err(BadManifest::Unreadable(format!(
                "it is not of the form {FORMAT}"
            )));
        }
        let count = text.files.len();
        let files: BTreeMap<_, _> = text
            .files
            .into_iter()
            .map(|entry| {
                let Entry {
                    path,
                    size,
                    sha256,
                    executable,
                } = entry;
                let file = File {
                    size,
                    sha256,
                    executable,
                };
                (path, file)
            })
            .collect();
        if files.len() != count {
            return Err(BadManifest::Unreadable("it has a path twice".into()));
        }
        Self::new(files)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn unreadable(error: serde_json::Error) -> BadManifest {
    BadManifest::Unreadable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &str) -> File {
        File {
            size: content.len() as u64,
            sha256: Digest::of(content.as_bytes()),
            executable: false,
        }
    }

    fn manifest(files: &[(&str, &str)]) -> Result<Manifest, BadManifest> {
        let files = files
            .iter()
            .map(|(path, content)| (path.parse().unwrap(), file(content)));
        Manifest::new(files.collect())
    }

    #[test]
    fn the_document_is_canonical() {
        let one = manifest(&[("b", "2"), ("a/x", "1")]).unwrap();
        let document = one.document().unwrap();
        let text = String::from_utf8(document.bytes.clone()).unwrap();
        let digest = |content: &str| Digest::of(content.as_bytes());
        assert_eq!(
            text,
            format!(
                r#"{{"format":"eai.manifest.v1","files":[{{"path":"a/x","size":1,"sha256":"{}"}},{{"path":"b","size":1,"sha256":"{}"}}]}}"#,
                digest("1"),
                digest("2")
            )
        );
        assert_eq!(Manifest::parse(&document.bytes), Ok(one));
        // Named in events: never to change.
        assert_eq!(
            Manifest::default().document().unwrap().digest.to_string(),
            "8100b8395b042cacb0620ac84ac602290a989889fd806091a03bab476fc33313"
        );
    }

    #[test]
    fn a_file_is_no_directory() {
        let error = manifest(&[("a-b", ""), ("a/b/c", ""), ("a", "")]).unwrap_err();
        assert!(matches!(error, BadManifest::Overlap { .. }), "{error}");
        assert!(manifest(&[("a-b", ""), ("a/b/c", ""), ("a/b-", ""), ("a.x", "")]).is_ok());
    }

    #[test]
    fn documents_are_checked() {
        let digest = Digest::ZERO;
        let entry = |path: &str| format!(r#"{{"path":"{path}","size":1,"sha256":"{digest}"}}"#);
        let text = |entries: &[String]| {
            format!(
                r#"{{"format":"eai.manifest.v1","files":[{}]}}"#,
                entries.join(",")
            )
        };
        assert!(Manifest::parse(text(&[entry("a"), entry("b")]).as_bytes()).is_ok());
        for bad in [
            text(&[entry("../a")]),
            text(&[entry("a"), entry("a")]),
            text(&[entry("a"), entry("a/b")]),
            text(&[entry("a")]).replace("v1", "v2"),
            text(&[entry("a")]).replace("size\":1", "size\":-1"),
            text(&[entry("a"), entry("b")]).replace("size\":1", &format!("size\":{}", u64::MAX)),
            "{}".into(),
        ] {
            assert!(Manifest::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn changes_add_replace_and_remove() {
        let before = manifest(&[("a", "1"), ("b/c", "2"), ("b/d", "3")]).unwrap();
        let put = [
            ("a".parse().unwrap(), file("x")),
            ("e".parse().unwrap(), file("4")),
        ];
        let after = before.changed(&["b/*".parse().unwrap()], put).unwrap();
        assert_eq!(after, manifest(&[("a", "x"), ("e", "4")]).unwrap());
        let status = |path: &str| after.status(&path.parse().unwrap(), Some(&before));
        assert_eq!((status("a"), status("e")), (Status::Modified, Status::New));
        let path = "a".parse().unwrap();
        assert_eq!(after.status(&path, Some(&after)), Status::Unchanged);
        assert_eq!(after.status(&path, None), Status::New);
        let put = [("a/x".parse().unwrap(), file(""))];
        assert!(before.changed(&[], put.clone()).is_err());
        assert!(
            before.changed(&["a".parse().unwrap()], put).is_ok(),
            "it makes room first"
        );
    }

    #[test]
    fn there_may_be_many_files_and_not_more() {
        let files = |count: usize| {
            let files = (0..count).map(|index| (format!("f{index}").parse().unwrap(), file("")));
            Manifest::new(files.collect())
        };
        let most = files(MAX_FILES).unwrap();
        assert_eq!(
            most.document().unwrap().digest,
            most.document().unwrap().digest
        );
        assert_eq!(
            files(MAX_FILES + 1),
            Err(BadManifest::TooManyFiles(MAX_FILES + 1))
        );
    }
}
