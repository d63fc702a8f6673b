//! Output of runs: each byte once and in order, whatever broke; bounded; followed as it comes.

use bytes::Bytes;
use eai_core::ids::JobId;
use eai_core::log::output::{
    self, Chunk, Error, Follower, KEPT_OF_A_RUN, MAX_CHUNK, Output, Source, Start,
};
use uuid::Uuid;

use super::server::Server;
use super::support::{account, within};

const MAX_BYTES: u64 = 256 << 20;
const JOB: JobId = JobId(Uuid::from_u128(7));

async fn store(server: &Server, max_bytes: u64) -> Output {
    let connection = server.connect().await;
    output::set_up(&connection, max_bytes).await.unwrap();
    Output::open(connection, server.connect().await)
}

fn chunk(stream: Source, offset: u64, bytes: impl Into<Bytes>) -> Chunk {
    Chunk {
        stream,
        time: 1_700_000_000_000 + offset,
        offset,
        bytes: bytes.into(),
    }
}

/// Lines of a run, in turn on both streams, each its own chunk.
fn lines(count: u64) -> Vec<Chunk> {
    let mut offset = 0;
    let line = |index: u64| {
        let bytes = format!("line {index}\n");
        // A source may need room for more than the bytes.
        offset += bytes.len() as u64 + 13;
        let streams = [Source::Stdout, Source::Stderr];
        chunk(streams[usize::from(index % 2 == 1)], offset, bytes)
    };
    (0..count).map(line).collect()
}

async fn append(output: &Output, chunks: &[Chunk]) -> Result<u64, Error> {
    within("an append", output.append(&account(), JOB, 0, chunks)).await
}

async fn read(output: &Output, start: Start) -> Vec<Chunk> {
    let mut reader = output.read(&account(), JOB, 0, start).await.unwrap();
    let mut chunks = Vec::new();
    while let Some(chunk) = within("a chunk", reader.next()).await.unwrap() {
        chunks.push(chunk);
    }
    chunks
}

async fn follow(output: &Output) -> Follower {
    let account = account();
    let follower = output.follow(&account, JOB, 0, Start::Beginning);
    within("a follower", follower).await.unwrap()
}

async fn next(follower: &mut Follower) -> Chunk {
    loop {
        match within("a chunk", follower.next()).await {
            Ok(chunk) => return chunk,
            Err(Error::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn text(chunks: &[Chunk]) -> String {
    let bytes: Vec<u8> = chunks
        .iter()
        .flat_map(|chunk| chunk.bytes.to_vec())
        .collect();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn what_was_written_is_read() {
    let server = Server::start();
    let output = store(&server, MAX_BYTES).await;
    assert_eq!(output.stored(&account(), JOB, 0).await.unwrap(), 0);
    assert_eq!(read(&output, Start::Beginning).await, []);
    let chunks = [
        chunk(Source::Platform, 10, "pulling the image\n"),
        chunk(Source::Stdout, 14, &b"a\0\xff\n"[..]),
        chunk(Source::Stderr, 100_000, vec![b'x'; MAX_CHUNK]),
        chunk(Source::Stdout, 100_001, ""),
        chunk(Source::Platform, 100_020, "it was killed\n"),
    ];
    let end = append(&output, &chunks).await.unwrap();
    assert_eq!(end, 100_020);
    assert_eq!(output.stored(&account(), JOB, 0).await.unwrap(), end);
    let read = read(&output, Start::Beginning).await;
    assert_eq!(read[..3], chunks[..3]);
    assert_eq!(read[3..], chunks[4..], "nothing is not read");
    // Another run, another job.
    assert_eq!(output.stored(&account(), JOB, 1).await.unwrap(), 0);
    let other = JobId(Uuid::from_u128(8));
    assert_eq!(output.stored(&account(), other, 0).await.unwrap(), 0);
    let large = chunk(Source::Stdout, 2 * end, vec![0; MAX_CHUNK + 1]);
    let error = append(&output, &[large]).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge(_)), "{error}");
}

#[tokio::test]
async fn what_is_stored_is_not_stored_again() {
    let server = Server::start();
    let output = store(&server, MAX_BYTES).await;
    let chunks = lines(100);
    append(&output, &chunks[..40]).await.unwrap();
    append(&output, &chunks[20..60]).await.unwrap();
    append(&output, &chunks[..60]).await.unwrap();
    // After a restart of everything.
    let output = store(&server, 2 * MAX_BYTES).await;
    append(&output, &chunks[..60]).await.unwrap();
    assert_eq!(read(&output, Start::Beginning).await, chunks[..60]);
    append(&output, &chunks).await.unwrap();
    assert_eq!(read(&output, Start::Beginning).await, chunks);
}

#[tokio::test]
async fn two_writers_of_one_run_store_it_once() {
    let server = Server::start();
    let one = store(&server, MAX_BYTES).await;
    let two = store(&server, MAX_BYTES).await;
    let chunks = lines(300);
    let write = async |output: &Output| {
        for chunks in chunks.chunks(3) {
            append(output, chunks).await.unwrap();
        }
    };
    tokio::join!(write(&one), write(&two));
    assert_eq!(read(&one, Start::Beginning).await, chunks);
}

#[tokio::test]
async fn a_server_that_dies_loses_and_doubles_nothing() {
    let mut server = Server::start();
    let output = store(&server, MAX_BYTES).await;
    let chunks = lines(600);
    let writer = tokio::spawn({
        let (output, chunks) = (output.clone(), chunks.clone());
        async move {
            for chunks in chunks.chunks(2) {
                while append(&output, chunks).await.is_err() {}
            }
        }
    });
    let mut follower = follow(&output).await;
    let mut followed = Vec::new();
    for round in 1..=3 {
        while followed.len() < round * 100 {
            followed.push(next(&mut follower).await);
        }
        server.kill();
        server.up();
    }
    while followed.len() < chunks.len() {
        followed.push(next(&mut follower).await);
    }
    writer.await.unwrap();
    assert_eq!(followed, chunks);
    assert_eq!(read(&output, Start::Beginning).await, chunks);
}

#[tokio::test]
async fn reading_goes_on_behind_any_chunk() {
    let server = Server::start();
    let output = store(&server, MAX_BYTES).await;
    let chunks = lines(50);
    for some in chunks.chunks(7) {
        append(&output, some).await.unwrap();
    }
    for (index, seen) in chunks.iter().enumerate() {
        let rest = read(&output, Start::Behind(seen.offset)).await;
        assert_eq!(rest, chunks[index + 1..], "{index}");
    }
    assert_eq!(read(&output, Start::Behind(0)).await, chunks);
    assert_eq!(read(&output, Start::Behind(1 << 40)).await, []);
}

#[tokio::test]
async fn the_last_lines_are_found_from_the_end() {
    let server = Server::start();
    let output = store(&server, MAX_BYTES).await;
    assert_eq!(read(&output, Start::Lines(3)).await, []);
    let chunks = lines(50);
    for some in chunks.chunks(7) {
        append(&output, some).await.unwrap();
    }
    for count in [1, 2, 7, 8, 49, 50, 51, u64::MAX] {
        let from = chunks.len().saturating_sub(usize::try_from(count).unwrap());
        let found = read(&output, Start::Lines(count)).await;
        assert_eq!(found, chunks[from..], "{count}");
    }
    assert_eq!(read(&output, Start::Lines(0)).await, []);
    // A line that is not complete yet, in pieces, counts as one.
    let end = chunks[49].offset;
    let pieces = [
        chunk(Source::Stdout, end + 4, "a\nb "),
        chunk(Source::Stdout, end + 5, "c"),
    ];
    append(&output, &pieces).await.unwrap();
    assert_eq!(text(&read(&output, Start::Lines(1)).await), "b c");
    assert_eq!(text(&read(&output, Start::Lines(2)).await), "a\nb c");
    assert_eq!(
        text(&read(&output, Start::Lines(3)).await),
        "line 49\na\nb c"
    );
}

#[tokio::test]
async fn a_follower_has_what_is_there_and_what_comes() {
    let server = Server::start();
    let output = store(&server, MAX_BYTES).await;
    let chunks = lines(400);
    append(&output, &chunks[..100]).await.unwrap();
    let mut follower = follow(&output).await;
    for (index, expected) in chunks.iter().enumerate() {
        if index >= 100 {
            append(&output, &chunks[index..=index]).await.unwrap();
        }
        assert_eq!(next(&mut follower).await, *expected);
    }
}

#[tokio::test]
async fn a_noisy_run_leaves_room_for_the_others() {
    let server = Server::start();
    let output = store(&server, MAX_BYTES).await;
    let quiet = JobId(Uuid::from_u128(8));
    let said = [chunk(Source::Stdout, 6, "quiet\n")];
    output.append(&account(), quiet, 0, &said).await.unwrap();
    let piece = Bytes::from(vec![b'x'; MAX_CHUNK]);
    let most = 2 * KEPT_OF_A_RUN;
    let offsets: Vec<u64> = (1..=most / MAX_CHUNK as u64)
        .map(|index| index * MAX_CHUNK as u64)
        .collect();
    for offsets in offsets.chunks(8) {
        let pieces = offsets.iter();
        let pieces: Vec<_> = pieces
            .map(|offset| chunk(Source::Stdout, *offset, piece.clone()))
            .collect();
        append(&output, &pieces).await.unwrap();
    }
    let mut reader = output
        .read(&account(), JOB, 0, Start::Beginning)
        .await
        .unwrap();
    let gone = reader.next().await.unwrap().unwrap();
    assert_eq!(gone.stream, Source::Platform);
    assert!(text(&[gone]).contains("was not kept"));
    let (mut kept, mut end) = (0, 0);
    while let Some(chunk) = reader.next().await.unwrap() {
        kept += chunk.bytes.len() as u64;
        end = chunk.offset;
    }
    assert_eq!(end, most);
    assert!(
        (KEPT_OF_A_RUN..KEPT_OF_A_RUN / 8 * 10).contains(&kept),
        "{kept}"
    );
    let mut reader = output
        .read(&account(), quiet, 0, Start::Beginning)
        .await
        .unwrap();
    assert_eq!(reader.next().await.unwrap(), Some(said[0].clone()));
}

#[tokio::test]
async fn old_output_makes_room_for_new() {
    let server = Server::start();
    let output = store(&server, 1 << 20).await;
    let piece = Bytes::from(vec![b'x'; MAX_CHUNK]);
    for index in 1..=64 {
        let offset = index * MAX_CHUNK as u64;
        let chunk = chunk(Source::Stdout, offset, piece.clone());
        assert_eq!(append(&output, &[chunk]).await.unwrap(), offset);
    }
    let found = read(&output, Start::Beginning).await;
    assert_eq!(found[0].stream, Source::Platform);
    assert!((8..17).contains(&found.len()), "{}", found.len());
    assert_eq!(found.last().unwrap().offset, 64 * MAX_CHUNK as u64);
}
