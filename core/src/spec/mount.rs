//! Mounts: data that a job sees at a path, written `NAME[@version][/subpath]:/path[:ro|:rw]`.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::{Serialize, Serializer};

use super::text::is_normal;
use super::{AbsolutePath, BadValue, RUNTIME_PATH, list};
use crate::names::{Reference, shown};

/// The most mounts.
const MAX_MOUNTS: usize = 64;
/// The longest version, in bytes.
const MAX_VERSION: usize = 64;
/// The longest subpath, in bytes.
const MAX_SUBPATH: usize = 1024;
/// The version that is meant where none is written.
const LATEST: &str = "latest";
/// What a job has there is not the user's to replace.
const RESERVED: [&str; 4] = [RUNTIME_PATH, "/proc", "/sys", "/dev"];

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    source: Reference,
    version: String,
    subpath: Option<String>,
    target: AbsolutePath,
    access: Access,
}

/// What a job may do with the files of a mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Access {
    /// Read them.
    #[default]
    ReadOnly,
    /// Read and write them.
    ReadWrite,
}

/// The mounts of a job, sorted by path; none lies within another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mounts(Vec<Mount>);

// === impl Mount ===

impl Mount {
    /// The data.
    pub fn source(&self) -> &Reference {
        &self.source
    }

    /// Its version: `latest` where none was written.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The directory or file of the data that is mounted; all of it where it is absent.
    pub fn subpath(&self) -> Option<&str> {
        self.subpath.as_deref()
    }

    /// Where it is mounted.
    pub fn target(&self) -> &AbsolutePath {
        &self.target
    }

    /// What the job may do with it.
    pub fn access(&self) -> Access {
        self.access
    }

    /// Every part written, defaults too.
    pub(super) fn canonical(&self) -> String {
        let Self {
            source,
            version,
            subpath,
            target,
            access,
        } = self;
        let subpath = subpath
            .as_ref()
            .map_or(String::new(), |path| format!("/{path}"));
        format!("{source}@{version}{subpath}:{target}:{access}")
    }
}

/// As a user would write it, without defaults.
impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)?;
        if self.version != LATEST {
            write!(f, "@{}", self.version)?;
        }
        if let Some(subpath) = &self.subpath {
            write!(f, "/{subpath}")?;
        }
        write!(f, ":{}", self.target)?;
        match self.access {
            Access::ReadOnly => Ok(()),
            Access::ReadWrite => f.write_str(":rw"),
        }
    }
}

impl std::hash::Hash for Mount {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.canonical().hash(state);
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadOnly => "ro",
            Self::ReadWrite => "rw",
        })
    }
}

impl FromStr for Mount {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let bad = |why: &dyn fmt::Display| {
            BadValue(format!(
                "`{}` is not a mount: {why}; write NAME[@version][/subpath]:/path[:ro|:rw]",
                shown(text)
            ))
        };
        let (from, to) = text.split_once(':').ok_or_else(|| bad(&"it has no path"))?;
        let (target, access) = match to.split_once(':') {
            None => (to, Access::default()),
            Some((target, "ro")) => (target, Access::ReadOnly),
            Some((target, "rw")) => (target, Access::ReadWrite),
            Some(_) => return Err(bad(&"behind the path stands neither `ro` nor `rw`")),
        };
        let target: AbsolutePath = target.parse().map_err(|error| bad(&error))?;
        if target.as_str() == "/" || RESERVED.iter().any(|path| target.is_within(path)) {
            return Err(bad(&"this path belongs to the job, choose another"));
        }
        let (data, subpath) = from
            .split_once('/')
            .map_or((from, ""), |(data, path)| (data, path));
        let subpath = subpath.strip_suffix('/').unwrap_or(subpath);
        if !subpath.is_empty() && (subpath.len() > MAX_SUBPATH || !is_normal(subpath)) {
            return Err(bad(
                &"its subpath has `.`, `..`, `//` or control characters, or is too long",
            ));
        }
        let (source, version) = data.split_once('@').unwrap_or((data, LATEST));
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if !(1..=MAX_VERSION).contains(&version.len()) || !version.bytes().all(allowed) {
            return Err(bad(
                &"its version is not made of letters, digits, `_`, `.` and `-`",
            ));
        }
        Ok(Self {
            source: source.parse().map_err(|error| bad(&error))?,
            version: version.into(),
            subpath: (!subpath.is_empty()).then(|| subpath.into()),
            target,
            access,
        })
    }
}

impl<'de> Deserialize<'de> for Mount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

// === impl Mounts ===

impl Mounts {
    /// Mounts at different places, none within another.
    pub fn new(mut mounts: Vec<Mount>) -> Result<Self, BadValue> {
        if mounts.len() > MAX_MOUNTS {
            return Err(BadValue(format!(
                "there are too many mounts: use at most {MAX_MOUNTS}"
            )));
        }
        mounts.sort_by(|left, right| left.target.cmp(&right.target));
        for (index, inner) in mounts.iter().enumerate() {
            let outer = mounts
                .iter()
                .take(index)
                .find(|outer| inner.target.is_within(outer.target.as_str()));
            if let Some(outer) = outer {
                return Err(BadValue(format!(
                    "the mounts at `{}` and `{}` overlap: give each a path of its own",
                    outer.target, inner.target
                )));
            }
        }
        Ok(Self(mounts))
    }

    /// The mounts, by path.
    pub fn iter(&self) -> impl Iterator<Item = &Mount> {
        self.0.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Mounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(ToString::to_string))
    }
}

impl<'de> Deserialize<'de> for Mounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a list of texts, such as [\"models:/models:ro\"]";
        Self::new(list::read(deserializer, expected, MAX_MOUNTS)?).map_err(D::Error::custom)
    }
}

impl JsonSchema for Mounts {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Mounts".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "array",
            "items": { "type": "string", "pattern": "^[^@/:]+(@[A-Za-z0-9_.-]{1,64})?(/[^:]*)?:/[^:]+(:r[ow])?$" },
            "maxItems": MAX_MOUNTS
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(text: &str) -> Result<Mount, BadValue> {
        text.parse()
    }

    #[test]
    fn defaults_need_not_be_written() {
        let short = mount("files:/mnt").unwrap();
        assert_eq!(mount("files@latest/:/mnt/:ro").unwrap(), short);
        assert_eq!(short.to_string(), "files:/mnt");
        assert_eq!(short.canonical(), "files@latest:/mnt:ro");
        let long = mount("snow.testacc.files@v1.2/a/b:/mnt/x:rw").unwrap();
        assert_eq!(long.to_string(), "snow.testacc.files@v1.2/a/b:/mnt/x:rw");
        assert_eq!(long.subpath(), Some("a/b"));
        assert_eq!(long.access(), Access::ReadWrite);
        let by_id = mount("6C5BF9EC-71F7-4D13-B5EC-24B37F0F8E9E:/mnt").unwrap();
        assert_eq!(
            by_id.to_string(),
            "6c5bf9ec-71f7-4d13-b5ec-24b37f0f8e9e:/mnt"
        );
    }

    #[test]
    fn what_is_no_mount_is_refused() {
        for bad in [
            "",
            ":",
            "files",
            "files:",
            "files:mnt",
            ":/mnt",
            "files:/mnt:",
            "files:/mnt:rx",
            "files:/mnt:ro:rw",
            "files:/",
            "files:/service",
            "files:/service/x",
            "files:/proc/1",
            "files@:/mnt",
            "files@a@b:/mnt",
            "files@a b:/mnt",
            "files/../x:/mnt",
            "files//x:/mnt",
            "snow.files:/mnt",
            "Files:/mnt",
            "files:/a/../b",
        ] {
            assert!(mount(bad).is_err(), "{bad:?}");
        }
        assert!(mount("files:/services").is_ok());
    }

    #[test]
    fn mounts_do_not_overlap() {
        let mounts =
            |texts: &[&str]| Mounts::new(texts.iter().map(|text| mount(text).unwrap()).collect());
        assert!(mounts(&["a:/x", "b:/y", "c:/xy"]).is_ok());
        assert!(mounts(&["a:/x", "b:/x"]).is_err());
        assert!(
            mounts(&["a:/x/y", "c:/x-z", "b:/x"]).is_err(),
            "nor are they nested"
        );
    }
}
