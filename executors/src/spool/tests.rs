use super::*;

fn all(reader: &mut Reader) -> Vec<Chunk> {
    std::iter::from_fn(|| reader.next().unwrap()).collect()
}

#[test]
fn what_is_written_is_read_in_order_and_from_any_offset() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::new(folder.path(), 0).unwrap();
    writer.write(Kind::Stdout, 5, b"one\n");
    writer.write(Kind::Stderr, 6, b"two\n");
    let mut reader = Reader::new(folder.path(), 0);
    let chunks = all(&mut reader);
    assert_eq!(chunks.len(), 2);
    assert_eq!(chunks[0].bytes, b"one\n");
    assert_eq!((chunks[1].kind, chunks[1].at), (Kind::Stderr, 6));
    assert_eq!(chunks[1].next, writer.end());
    writer.write(Kind::Note, 7, b"three\n");
    assert_eq!(all(&mut reader)[0].bytes, b"three\n");
    let again = all(&mut Reader::new(folder.path(), chunks[0].next));
    assert_eq!(again[0].bytes, b"two\n");
    assert_eq!(again.len(), 2);
}

#[test]
fn a_spool_is_bounded_and_says_what_it_dropped() {
    const LIMIT: u64 = 16 * 1024 * 1024;
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::new(folder.path(), LIMIT).unwrap();
    let piece = vec![b'x'; 100_000];
    for _ in 0..400 {
        writer.write(Kind::Stdout, 1, &piece);
    }
    let size: u64 = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(size <= LIMIT + 128 * 1024, "{size}");
    let chunks = all(&mut Reader::new(folder.path(), 0));
    assert_eq!(chunks[0].kind, Kind::Note);
    assert!(String::from_utf8_lossy(&chunks[0].bytes).contains("dropped"));
    let read: usize = chunks.iter().skip(1).map(|chunk| chunk.bytes.len()).sum();
    assert!(read > 7_000_000, "{read}");
    assert_eq!(chunks.last().unwrap().next, writer.end());
}

#[test]
fn half_a_record_is_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::new(folder.path(), 0).unwrap();
    writer.write(Kind::Stdout, 5, b"whole");
    let end = writer.end();
    writer.write(Kind::Stdout, 5, b"torn");
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(segment(folder.path(), 0))
        .unwrap();
    file.set_len(end + 15).unwrap();
    let chunks = all(&mut Reader::new(folder.path(), 0));
    assert_eq!(chunks.len(), 1);
    assert_eq!(chunks[0].next, end);
}

#[test]
fn an_offset_inside_a_record_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::new(folder.path(), 0).unwrap();
    writer.write(Kind::Stdout, 5, b"some bytes that are no header");
    let error = Reader::new(folder.path(), 3).next().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

#[test]
fn a_folder_that_is_not_there_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let mut reader = Reader::new(&folder.path().join("none"), 0);
    assert!(reader.next().unwrap().is_none());
}
