//! A run's output is carried away whole, from wherever that stopped.

mod containers;

use containers::relay::{Mood, Relay};
use containers::*;
use eai_executors::backend::Kind;

/// Lines on both streams, numbered; a long one, and one without an end.
const LINES: &str = "import sys\n\
    for n in range(3000):\n\
    \x20   print('out', n, flush=n % 7 == 0)\n\
    \x20   if n % 5 == 0: print('err', n, file=sys.stderr, flush=True)\n\
    print('x' * 100_000)\n\
    sys.stdout.write('end')\n";

#[tokio::test]
async fn output_goes_on_from_every_place_where_it_was_handed_out() {
    let mut platform = platform!();
    let running = platform.start(&python("a.0.1", LINES)).await;
    assert_eq!(wait(&running).await.code, Some(0));
    let whole = pieces(&running, 0).await;
    let of = |wanted: Kind, from: &[(Kind, Vec<u8>, u64)]| -> Vec<u8> {
        let ours = from.iter().filter(|(kind, ..)| *kind == wanted);
        ours.flat_map(|(_, bytes, _)| bytes.clone()).collect()
    };
    let out = String::from_utf8(of(Kind::Stdout, &whole)).unwrap();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 3002);
    assert!((0..3000).all(|n| lines[n] == format!("out {n}")));
    assert_eq!((lines[3000].len(), lines[3001]), (100_000, "end"));
    assert_eq!(
        of(Kind::Stderr, &whole)
            .split(|byte| *byte == b'\n')
            .count(),
        601
    );
    let mut before = 0;
    for (_, bytes, next) in &whole {
        assert!(*next >= before + bytes.len() as u64, "offsets count bytes");
        before = *next;
    }

    let stops: Vec<usize> = (0..whole.len()).step_by(whole.len().div_ceil(12)).collect();
    for stop in stops {
        // Whoever read up to here is gone; the next one has the notes, or only the offset.
        let offset = whole[stop].2;
        let mut reader = running.output(0);
        while reader.next().await.unwrap().unwrap().next < offset {}
        drop(reader);
        for has_notes in [true, false] {
            if !has_notes {
                std::fs::remove_dir_all(platform.folder.path().join("marks")).unwrap();
            }
            platform.again().await;
            let found = platform.docker.found().await.unwrap().remove(0);
            let rest = pieces(&found.running.into(), offset).await;
            for kind in [Kind::Stdout, Kind::Stderr] {
                assert_eq!(
                    of(kind, &rest),
                    of(kind, &whole[stop + 1..]),
                    "{stop} {has_notes}"
                );
            }
        }
    }
    assert!(pieces(&running, before).await.is_empty());
    running.remove().await.unwrap();
}

#[tokio::test]
async fn output_is_whole_when_the_engine_breaks_off_again_and_again() {
    let mut platform = platform!();
    let relay = Relay::start(platform.folder.path());
    platform.through(&relay.path).await;
    let slow = "import time\nfor n in range(400):\n\x20   print(n, flush=True)\n\x20   time.sleep(0.005)\n";
    let running = platform.start(&python("a.0.1", slow)).await;
    let mut output = running.output(0);
    let (mut heard, mut breaks) = (String::new(), 0);
    while let Some(chunk) = tokio::time::timeout(PATIENCE, output.next())
        .await
        .expect("the output goes on")
        .unwrap()
    {
        assert_eq!(chunk.kind, Kind::Stdout);
        heard.push_str(&String::from_utf8(chunk.bytes).unwrap());
        if heard.len() > 100 * (breaks + 1) && breaks < 8 {
            breaks += 1;
            relay.set(Mood::Gone);
            relay.set(Mood::Answers);
        }
    }
    let numbers: Vec<u32> = heard.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(numbers, (0..400).collect::<Vec<u32>>());
    running.remove().await.unwrap();
}

#[tokio::test]
async fn a_gibibyte_of_output_fills_neither_memory_nor_disk() {
    let platform = platform!();
    let flood = "for _ in range(1 << 14): print('x' * 65535)\nprint('done')\n";
    let running = platform.start(&python("a.0.1", flood)).await;
    let mut output = running.output(0);
    let (mut bytes, mut last) = (0, Vec::new());
    let memory = peak_memory();
    while let Some(chunk) = tokio::time::timeout(PATIENCE, output.next())
        .await
        .expect("the output goes on")
        .unwrap()
    {
        bytes += chunk.bytes.len();
        last = chunk.bytes;
    }
    assert_eq!(wait(&running).await.code, Some(0));
    assert!(last.ends_with(b"done\n"), "{bytes}");
    let grown = peak_memory() - memory;
    assert!(grown < 100 << 20, "{grown}");
    let path = &cli(&["inspect", "--format", "{{.Id}}", &platform.containers()[0]])[0];
    let folder = format!("/var/lib/docker/containers/{path}");
    if let Ok(kept) = std::fs::read_dir(format!("{folder}/local-logs")) {
        let sizes = kept.flatten().map(|file| file.metadata().unwrap().len());
        assert!(sizes.sum::<u64>() < 80 << 20);
    }
    running.remove().await.unwrap();
}

/// In bytes.
fn peak_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.unwrap_or_default().trim().trim_end_matches(" kB");
    kilobytes.parse::<usize>().expect("a number") * 1024
}
