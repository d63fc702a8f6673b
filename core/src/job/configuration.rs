//! What a job is made from: a spec, and the exact versions of the data that it sees.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::ids::DataId;
use crate::spec::{AbsolutePath, Spec};

/// A spec with every piece of data fixed: two jobs of one configuration do the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Configuration {
    /// What is run, and with what.
    pub spec: Spec,
    /// What is mounted at [`crate::spec::RUNTIME_PATH`].
    pub runtime: DataVersion,
    /// The spec's other mounts, resolved, in the spec's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<ResolvedMount>,
}

/// One version of a data resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DataVersion {
    /// The data.
    pub data: DataId,
    /// Its version, counted from 1.
    pub version: u64,
    /// The manifest of that version.
    pub manifest: Digest,
}

/// A version of a data resource at a path, read-only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ResolvedMount {
    /// Where it is mounted.
    pub target: AbsolutePath,
    /// What is mounted.
    #[serde(flatten)]
    pub source: DataVersion,
    /// The directory or file of it that is mounted; all of it where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub subpath: Option<String>,
}

impl Configuration {
    /// Equal for configurations that mean the same: by content, whatever the versions' numbers are.
    ///
    /// It is in events for ever, so this text never changes.
    pub fn key(&self) -> Digest {
        let Self {
            spec,
            runtime,
            mounts,
        } = self;
        let mounts = mounts.iter().map(|mount| {
            let subpath = mount.subpath.as_deref().unwrap_or_default();
            format!("{}\n{}\n{subpath}\n", mount.target, mount.source.manifest)
        });
        let text = format!(
            "eai.configuration.v1\n{}\n{}\n{}",
            spec.hash(),
            runtime.manifest,
            mounts.collect::<String>()
        );
        Digest::of(text.as_bytes())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use uuid::Uuid;

    pub(crate) fn configuration(content: &str, version: u64) -> Configuration {
        Configuration {
            spec: Spec::default(),
            runtime: DataVersion {
                data: DataId(Uuid::from_u128(2)),
                version,
                manifest: Digest::of(content.as_bytes()),
            },
            mounts: Vec::new(),
        }
    }

    #[test]
    fn equal_content_is_an_equal_key() {
        assert_eq!(configuration("a", 1).key(), configuration("a", 3).key());
        assert_ne!(configuration("a", 1).key(), configuration("b", 1).key());
        assert_eq!(
            configuration("a", 1).key().to_string(),
            "60b184627ef799011e4d9eae070329db86ce758b012f36bfc991479d62b14a91",
            "keys are in events for ever"
        );
    }

    #[test]
    fn mounts_count() {
        let plain = configuration("a", 1);
        let mounted = |subpath: Option<&str>| Configuration {
            mounts: vec![ResolvedMount {
                target: "/models".parse().unwrap(),
                source: plain.runtime.clone(),
                subpath: subpath.map(Into::into),
            }],
            ..plain.clone()
        };
        let keys = [plain.key(), mounted(None).key(), mounted(Some("x")).key()];
        assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
    }
}
