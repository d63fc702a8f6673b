//! The lists in a saved image, which say what it is called: written anew with the one name that was asked for.

use bytes::Bytes;
use serde_json::{Value, json};
use tar::{EntryType, Header};

use super::{BLOCK, BadArchive};

/// A list at the root of a saved image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    /// Docker's: names and layers.
    Manifest,
    /// That of the Open Container Initiative.
    Index,
    /// Docker's first: names only.
    Repositories,
}

// === impl List ===

impl List {
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        [Self::Manifest, Self::Index, Self::Repositories]
            .into_iter()
            .find(|list| list.name().as_bytes() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Manifest => "manifest.json",
            Self::Index => "index.json",
            Self::Repositories => "repositories",
        }
    }

    pub(super) fn names_layers(self) -> bool {
        self != Self::Repositories
    }

    /// The list with one name, `NAME:TAG`; none where it would have nothing else.
    pub(super) fn rewritten(
        self,
        content: &[u8],
        name: &str,
    ) -> Result<Option<Vec<u8>>, BadArchive> {
        let bad = |why: String| BadArchive::Lists(self.name(), why);
        if self == Self::Repositories {
            return Ok(None);
        }
        let mut list: Value =
            serde_json::from_slice(content).map_err(|error| bad(error.to_string()))?;
        let images = match self {
            Self::Index => list.get_mut("manifests"),
            Self::Manifest | Self::Repositories => Some(&mut list),
        };
        let images = images.and_then(Value::as_array_mut);
        let images = images.ok_or_else(|| bad("it has no list of images".to_owned()))?;
        if self == Self::Index {
            // Each further name is an image of its own there.
            images.dedup_by(|image, before| image["digest"] == before["digest"]);
        }
        if images.len() != 1 {
            return Err(BadArchive::Several(images.len()));
        }
        let image = images[0].as_object_mut();
        let image = image.ok_or_else(|| bad("its image is no object".to_owned()))?;
        match self {
            Self::Manifest | Self::Repositories => {
                image.insert("RepoTags".into(), json!([name]));
            }
            Self::Index => {
                let tag = name.rsplit_once(':').map_or("latest", |(_, tag)| tag);
                let names = json!({
                    "io.containerd.image.name": full(name),
                    "org.opencontainers.image.ref.name": tag,
                });
                image.insert("annotations".into(), names);
            }
        }
        Ok(Some(list.to_string().into_bytes()))
    }
}

/// A name with the registry that it has where it names none.
fn full(name: &str) -> String {
    match name.split_once('/') {
        None => format!("docker.io/library/{name}"),
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => name.to_owned(),
        Some(_) => format!("docker.io/{name}"),
    }
}

/// A file of a tar.
pub(super) fn file(name: &str, content: &[u8]) -> [Bytes; 2] {
    let mut header = Header::new_ustar();
    let field = &mut header.as_old_mut().name;
    field[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(content.len() as u64);
    header.set_cksum();
    let mut padded = content.to_vec();
    padded.resize(content.len().next_multiple_of(BLOCK), 0);
    [
        Bytes::copy_from_slice(header.as_bytes()),
        Bytes::from(padded),
    ]
}
