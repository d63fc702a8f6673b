//! Large bodies take no memory.

use std::fs;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::support::{Application, Proxy, Wire};

const LENGTH: usize = 1 << 30;
const BLOCK: usize = 256 * 1024;

/// The memory of this process, in MiB.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let line = line.expect("a line").trim();
    let size = line.strip_suffix(" kB").expect("a size");
    size.parse::<usize>().expect("a number") / 1024
}

async fn read(wire: &mut Wire, mut left: usize) -> usize {
    let mut buffer = vec![0; BLOCK];
    let mut most = 0;
    let mut blocks = 0;
    while left > 0 {
        let read = wire.stream.read(&mut buffer).await.expect("bytes");
        assert!(read > 0, "{left} bytes are missing");
        left -= read;
        blocks += 1;
        if blocks % 256 == 0 {
            most = most.max(resident());
        }
    }
    most
}

async fn write(wire: &mut Wire, mut left: usize) {
    let block = vec![b'x'; BLOCK];
    while left > 0 {
        let part = left.min(BLOCK);
        wire.stream
            .write_all(&block[..part])
            .await
            .expect("a reader");
        left -= part;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gibibyte_passes_each_way() {
    let application = Application::start(async |mut wire: Wire| {
        while let Some(head) = wire.head().await {
            if head.line.starts_with("PUT") {
                // What came with the head is in the buffer already.
                let early = wire.buffered();
                read(&mut wire, LENGTH - early).await;
                wire.send(super::support::ok("all")).await;
            } else {
                wire.send(format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {LENGTH}\r\n\r\n"
                ))
                .await;
                write(&mut wire, LENGTH).await;
            }
        }
    })
    .await;
    let proxy = Proxy::before(&application).await;
    let before = resident();

    let length = format!("content-length: {LENGTH}");
    let mut wire = proxy.ask("PUT /", &[&length]).await;
    write(&mut wire, LENGTH).await;
    assert_eq!(wire.answer().await.1, "all");

    let mut wire = proxy.ask("GET /", &[]).await;
    let head = wire.head().await.expect("an answer");
    assert_eq!(
        head.one("content-length"),
        Some(LENGTH.to_string().as_str())
    );
    let early = wire.buffered();
    let most = read(&mut wire, LENGTH - early).await;
    assert!(most < before + 64, "{before} MiB before, {most} MiB within");
}
