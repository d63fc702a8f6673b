//! Contents: stored whole or not at all, read as they were written or not at all, swept when nothing uses them.

use std::collections::HashSet;
use std::path::Path;

use async_nats::jetstream;
use bytes::Bytes;
use eai_core::data::{File, Manifest};
use eai_core::digest::Digest;
use eai_core::log::objects::{self, CHUNK, Error, Live, Objects, Swept};
use futures::StreamExt;
use time::{Duration, OffsetDateTime};

use super::server::Server;
use super::support::within;

const MAX_BYTES: u64 = 64 << 20;

/// What is in use.
struct Used(HashSet<Digest>);

impl Live for Used {
    async fn digests(&mut self) -> Result<HashSet<Digest>, Error> {
        Ok(self.0.clone())
    }
}

async fn store(server: &Server, max_bytes: u64) -> Objects {
    let connection = server.connect().await;
    objects::set_up(&connection, max_bytes).await.unwrap();
    Objects::new(connection, server.connect().await, max_bytes)
}

/// Bytes that do not repeat at the length of a chunk.
fn content(length: usize, seed: u8) -> Bytes {
    let next = |last: &u32| Some(last.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    let words = std::iter::successors(Some(u32::from(seed)), next);
    words
        .map(|word| word.to_be_bytes()[0])
        .take(length)
        .collect()
}

async fn upload(objects: &Objects, content: &Bytes, digest: Digest) -> Result<(), Error> {
    let mut upload = objects.upload(digest, content.len() as u64);
    // Pieces of a size that no chunk has.
    for piece in content.chunks(100_001) {
        upload.write(piece).await?;
    }
    upload.finish().await
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walk(&path));
        } else {
            found.push(path);
        }
    }
    found
}

async fn messages(server: &Server) -> u64 {
    let context = jetstream::new(server.client().await);
    let mut stream = context.get_stream(objects::STREAM).await.unwrap();
    stream.info().await.unwrap().state.messages
}

#[tokio::test]
async fn contents_come_back_as_they_were() {
    let server = Server::start();
    let objects = store(&server, MAX_BYTES).await;
    for (seed, length) in (0..).zip([0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 20 * CHUNK + 7]) {
        let content = content(length, seed);
        let digest = Digest::of(&content);
        let missing = objects.read(digest, u64::MAX).await.unwrap_err();
        assert!(matches!(missing, Error::Missing(_)), "{missing}");
        within("an upload", upload(&objects, &content, digest))
            .await
            .unwrap();
        assert_eq!(objects.size(digest).await.unwrap(), length as u64);
        let read = within("a read", objects.read(digest, u64::MAX)).await;
        assert!(read.unwrap() == content, "{length} bytes");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert_eq!(objects.fetch(digest, &path).await.unwrap(), length as u64);
        assert!(std::fs::read(&path).unwrap() == content, "{length} bytes");
        assert_eq!(walk(folder.path()), [path]);
    }
    drop(store(&server, 2 * MAX_BYTES).await);
}

#[tokio::test]
async fn many_small_ones_are_stored_together() {
    let server = Server::start();
    let objects = store(&server, MAX_BYTES).await;
    let contents: Vec<_> = (0..1500_u32)
        .map(|index| Bytes::from(index.to_string()))
        .map(|content| (Digest::of(&content), content))
        .collect();
    let digests: Vec<_> = contents.iter().map(|(digest, _)| *digest).collect();
    within("contents", objects.put_all(contents[..1499].to_vec()))
        .await
        .unwrap();
    let present = objects.present(&digests).await.unwrap();
    assert_eq!(present.len(), 1499);
    assert!(!present.contains(&digests[1499]));
    for (digest, content) in &contents[..20] {
        assert_eq!(objects.read(*digest, 10).await.unwrap(), content);
    }
    let wrong = vec![contents[0].clone(), (digests[1499], "x".into())];
    let error = objects.put_all(wrong).await.unwrap_err();
    assert!(matches!(error, Error::Mismatch { .. }), "{error}");
    assert!(
        !objects
            .present(&digests)
            .await
            .unwrap()
            .contains(&digests[1499])
    );
}

#[tokio::test]
async fn what_is_not_as_announced_leaves_nothing() {
    let server = Server::start();
    let objects = store(&server, MAX_BYTES).await;
    let long = content(3 * CHUNK, 1);
    let digest = Digest::of(&long);
    let other = Digest::of(b"other");
    let wrong = upload(&objects, &long, other).await.unwrap_err();
    assert!(matches!(wrong, Error::Mismatch { .. }), "{wrong}");
    let mut short = objects.upload(digest, long.len() as u64 + 1);
    short.write(&long).await.unwrap();
    assert!(matches!(short.finish().await, Err(Error::Mismatch { .. })));
    let mut longer = objects.upload(digest, 2 * CHUNK as u64);
    assert!(matches!(
        longer.write(&long).await,
        Err(Error::Mismatch { .. })
    ));
    // A client that goes away half-way.
    let mut broken = objects.upload(digest, long.len() as u64);
    broken.write(&long[..=2 * CHUNK]).await.unwrap();
    drop(broken);
    within("the chunks to be purged", async {
        while messages(&server).await > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(objects.present(&[digest, other]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_full_store_says_so_and_keeps_what_it_has() {
    let server = Server::start();
    let objects = store(&server, 1 << 20).await;
    let kept = content(CHUNK, 1);
    objects.put(Digest::of(&kept), kept.clone()).await.unwrap();
    let large = content(5 * CHUNK, 2);
    let full = upload(&objects, &large, Digest::of(&large))
        .await
        .unwrap_err();
    assert!(matches!(full, Error::Full { .. }), "{full}");
    assert!(full.to_string().contains("--data-max-bytes"), "{full}");
    let small: Vec<_> = (0..5_u8).map(|seed| content(CHUNK, 10 + seed)).collect();
    let small = small
        .into_iter()
        .map(|content| (Digest::of(&content), content));
    let small: Vec<_> = small.collect();
    let full = objects.put_all(small.clone()).await.unwrap_err();
    assert!(matches!(full, Error::Full { .. }), "{full}");
    let digests: Vec<_> = small.iter().map(|(digest, _)| *digest).collect();
    assert!(
        objects.present(&digests).await.unwrap().is_empty(),
        "together or not at all"
    );
    assert_eq!(
        objects.read(Digest::of(&kept), u64::MAX).await.unwrap(),
        kept
    );
    let connection = server.connect().await;
    let error = objects::set_up(&connection, 1000).await.unwrap_err();
    assert!(error.to_string().contains("--data-max-bytes"), "{error}");
}

#[tokio::test]
async fn damage_is_seen_before_the_end() {
    let server = Server::start();
    let objects = store(&server, MAX_BYTES).await;
    let content = content(20 * CHUNK, 1);
    let digest = Digest::of(&content);
    upload(&objects, &content, digest).await.unwrap();
    let context = jetstream::new(server.client().await);
    let stream = context.get_stream(objects::STREAM).await.unwrap();
    stream.delete_message(12).await.unwrap();
    let mut pieces = std::pin::pin!(objects.stream(digest).await.unwrap());
    let mut received = 0;
    let error = loop {
        match within("a piece", pieces.next()).await.unwrap() {
            Ok(piece) => received += piece.len(),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert!(received < content.len() - CHUNK, "the end is held back");
    let folder = tempfile::tempdir().unwrap();
    let fetched = objects.fetch(digest, &folder.path().join("file")).await;
    assert!(matches!(fetched, Err(Error::Damaged { .. })));
    assert!(walk(folder.path()).is_empty(), "no partial file");
    // Stored again, it is there again.
    upload(&objects, &content, digest).await.unwrap();
    assert!(objects.read(digest, u64::MAX).await.unwrap() == content);
}

#[tokio::test]
async fn a_server_that_goes_away_ends_reads_and_writes() {
    let mut server = Server::start();
    let objects = store(&server, MAX_BYTES).await;
    let content = content(20 * CHUNK, 1);
    let digest = Digest::of(&content);
    upload(&objects, &content, digest).await.unwrap();
    let mut pieces = std::pin::pin!(objects.stream(digest).await.unwrap());
    let mut half = objects.upload(Digest::of(b"x"), content.len() as u64);
    half.write(&content[..2 * CHUNK]).await.unwrap();
    within("a piece", pieces.next()).await.unwrap().unwrap();
    server.kill();
    let rest = within("the end of a read", async {
        loop {
            match pieces.next().await {
                Some(Ok(_)) => {}
                other => break other,
            }
        }
    });
    assert!(matches!(rest.await, Some(Err(Error::Unavailable(_)))));
    let written = within("the end of a write", async {
        half.write(&content[2 * CHUNK..]).await?;
        half.finish().await
    });
    let error = written.await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    server.up();
    let read = within("a read", async {
        loop {
            if let Ok(read) = objects.read(digest, u64::MAX).await {
                break read;
            }
        }
    });
    assert!(read.await == content, "what was acknowledged is there");
}

#[tokio::test]
async fn what_nothing_uses_is_swept_after_its_time() {
    let server = Server::start();
    let objects = store(&server, MAX_BYTES).await;
    let [used, unused] = [1, 2].map(|seed| content(3 * CHUNK, seed));
    for content in [&used, &unused] {
        upload(&objects, content, Digest::of(content))
            .await
            .unwrap();
    }
    // What a process that was killed leaves behind.
    let client = server.client().await;
    let chunk = client.request("$O.eai_data.C.lost", "chunk".into());
    within("a chunk", chunk).await.unwrap();
    let live = HashSet::from([Digest::of(&used)]);
    let now = OffsetDateTime::now_utc();
    let sweep = async |before: OffsetDateTime| {
        let mut live = Used(live.clone());
        within("a sweep", objects.sweep(before, &mut live))
            .await
            .unwrap()
    };
    assert_eq!(sweep(now - Duration::hours(1)).await, Swept::default());
    let all = Swept {
        objects: 1,
        uploads: 1,
    };
    assert_eq!(sweep(now + Duration::hours(1)).await, all);
    assert_eq!(sweep(now + Duration::hours(1)).await, Swept::default());
    assert!(objects.read(Digest::of(&used), u64::MAX).await.unwrap() == used);
    assert!(
        objects
            .present(&[Digest::of(&unused)])
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(messages(&server).await, 4);
}

#[tokio::test]
async fn a_stock_client_reads_it_too() {
    let server = Server::start();
    let objects = store(&server, MAX_BYTES).await;
    let content = content(3 * CHUNK + 1, 1);
    let digest = Digest::of(&content);
    upload(&objects, &content, digest).await.unwrap();
    let context = jetstream::new(server.client().await);
    let bucket = context.get_object_store(objects::BUCKET).await.unwrap();
    let mut object = bucket.get(digest.to_string()).await.unwrap();
    let mut read = Vec::new();
    let reading = tokio::io::AsyncReadExt::read_to_end(&mut object, &mut read);
    within("a stock client", reading).await.unwrap();
    assert!(read == content);
}

#[tokio::test]
async fn manifests_are_contents() {
    let server = Server::start();
    let objects = store(&server, MAX_BYTES).await;
    let file = File {
        size: 3,
        sha256: Digest::of(b"abc"),
        executable: true,
    };
    let manifest = Manifest::new([("a/b".parse().unwrap(), file)].into()).unwrap();
    let document = manifest.document().unwrap();
    objects
        .put(document.digest, document.bytes.into())
        .await
        .unwrap();
    assert_eq!(objects.manifest(document.digest).await.unwrap(), manifest);
    objects.put(file.sha256, "abc".into()).await.unwrap();
    let error = objects.manifest(file.sha256).await.unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
}
