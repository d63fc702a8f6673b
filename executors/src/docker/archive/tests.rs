use std::io::Read as _;

use tar::{Builder, EntryType, Header};

use super::*;

fn header(kind: EntryType, size: usize) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size as u64);
    header.set_mode(0o644);
    header
}

/// A tar of these files.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = header(EntryType::Regular, content.len());
        tar.append_data(&mut header, path, *content).unwrap();
    }
    tar.into_inner().unwrap()
}

/// What passes of a tar that comes in pieces of a length.
async fn passed(tar: &[u8], length: usize) -> Result<(Kind, Vec<u8>), BadArchive> {
    let pieces: Vec<_> = tar.chunks(length).map(Bytes::copy_from_slice).collect();
    let input = stream::iter(pieces.into_iter().map(Ok)).boxed();
    let archive = match Archive::open(input, "eai/web:1").await {
        Ok(archive) => archive,
        Err(Unread::Bad(bad)) => return Err(bad),
        Err(Unread::Broken(error)) => panic!("{error}"),
    };
    let kind = archive.kind();
    let why = Arc::new(OnceLock::new());
    let pieces: Vec<io::Result<Bytes>> = archive.pass(Arc::clone(&why)).collect().await;
    match why.get() {
        Some(bad) => {
            assert!(pieces.last().unwrap().is_err(), "the engine has to see it");
            Err(bad.clone())
        }
        None => Ok((kind, pieces.into_iter().flat_map(Result::unwrap).collect())),
    }
}

fn read(tar: &[u8], name: &str) -> Option<String> {
    let mut archive = tar::Archive::new(tar);
    archive.entries().unwrap().find_map(|entry| {
        let mut entry = entry.unwrap();
        let found = entry.path_bytes() == name.as_bytes();
        let mut text = String::new();
        found.then(|| entry.read_to_string(&mut text).map(|_| text).unwrap())
    })
}

#[tokio::test]
async fn a_root_passes_as_it_is_however_it_is_cut() {
    let long = format!("{}/manifest.json", "d/".repeat(150));
    let root = tar(&[("etc/passwd", b"root"), (&long, &[7; 1500]), ("empty", b"")]);
    for length in [1, 511, 512, 513, 1 << 20] {
        let (kind, out) = passed(&root, length).await.unwrap();
        assert_eq!(kind, Kind::Root);
        assert!(out == root, "in pieces of {length}");
    }
}

#[tokio::test]
async fn a_saved_image_has_the_name_that_was_asked_for_and_no_other() {
    let manifest = br#"[{"Config":"c.json","RepoTags":["python:3.10","nginx:1"],"Layers":["l"]}]"#;
    let index = br#"{"schemaVersion":2,"manifests":[
        {"digest":"sha256:1","annotations":{"io.containerd.image.name":"docker.io/library/nginx:1"}},
        {"digest":"sha256:1","annotations":{"io.containerd.image.name":"docker.io/library/nginx:2"}}]}"#;
    let saved = tar(&[
        ("blobs/sha256/1", &[1; 600]),
        ("index.json", index),
        ("manifest.json", manifest),
        ("repositories", br#"{"nginx":{"1":"x"}}"#),
    ]);
    for length in [1, 512, 1 << 20] {
        let (kind, out) = passed(&saved, length).await.unwrap();
        assert_eq!(kind, Kind::Saved);
        assert_eq!(
            read(&out, "manifest.json").unwrap(),
            r#"[{"Config":"c.json","Layers":["l"],"RepoTags":["eai/web:1"]}]"#
        );
        let index = read(&out, "index.json").unwrap();
        assert!(index.contains("docker.io/eai/web:1"), "{index}");
        assert!(!index.contains("nginx"), "{index}");
        assert_eq!(read(&out, "repositories"), None);
        assert!(read(&out, "blobs/sha256/1").is_some());
    }
}

#[tokio::test]
async fn a_list_cannot_come_by_another_way() {
    let manifest: &[u8] = br#"[{"RepoTags":["nginx:1"]}]"#;
    for files in [
        &[("blobs/a", &b"x"[..]), ("d/manifest.json", manifest)][..],
        &[("manifest.json", manifest), ("d/index.json", b"{}")],
    ] {
        let refused = passed(&tar(files), 4096).await.unwrap_err();
        assert!(matches!(refused, BadArchive::Lists(..)), "{refused}");
    }
    let mut link = Builder::new(Vec::new());
    link.append_link(&mut header(EntryType::Symlink, 0), "manifest.json", "other")
        .unwrap();
    let refused = passed(&link.into_inner().unwrap(), 4096).await.unwrap_err();
    assert!(refused.to_string().contains("no plain file"), "{refused}");
}

#[tokio::test]
async fn what_is_no_image_is_told() {
    let root = tar(&[("a", &[1; 1000]), ("b", b"2")]);
    let mut damaged = root.clone();
    damaged[3 * BLOCK + 5] ^= 1;
    let two = br#"[{"RepoTags":["a:1"]},{"RepoTags":["b:1"]}]"#;
    for (bytes, expected) in [
        (Vec::new(), BadArchive::Empty),
        (
            b"\x1f\x8b and so on".to_vec(),
            BadArchive::Compressed("gzip"),
        ),
        (b"hello".to_vec(), BadArchive::NoTar),
        (vec![b'x'; 5000], BadArchive::NoTar),
        (damaged, BadArchive::Damaged(3 * BLOCK as u64)),
        (root[..700].to_vec(), BadArchive::BreaksOff(700)),
        (tar(&[("manifest.json", two)]), BadArchive::Several(2)),
    ] {
        assert_eq!(passed(&bytes, 512).await.unwrap_err(), expected);
    }
    let lists = passed(&tar(&[("blobs/x", b"1")]), 512).await.unwrap_err();
    assert!(lists.to_string().contains("manifest.json"), "{lists}");
}
