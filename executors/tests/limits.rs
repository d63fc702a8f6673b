//! What a run may use, and that nothing of it is left.

mod common;

use common::*;
use std::path::{Path, PathBuf};

/// Every control group of this user's platforms whose name has `text`.
fn groups(text: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, text: &str, found: &mut Vec<PathBuf>) {
        let Ok(entries) = std::fs::read_dir(folder) else {
            return;
        };
        for entry in entries.filter_map(Result::ok) {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if entry.file_name().to_string_lossy().contains(text) {
                    found.push(entry.path());
                }
                walk(&entry.path(), text, found);
            }
        }
    }
    let mut found = Vec::new();
    walk(Path::new("/sys/fs/cgroup"), text, &mut found);
    found
}

fn size(folder: &Path) -> u64 {
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()))
        .sum()
}

#[tokio::test]
async fn a_run_out_of_memory_is_told() {
    let platform = Platform::new().await;
    assert!(platform.process.limits().starts_with("cgroup"));
    let mut run = command(
        "a.0.1",
        &["python3", "-c", "x = 'x' * (1 << 30); print('had it')"],
    );
    run.mem_mib = 64;
    let running = platform.start(&run).await;
    let exit = wait(&running).await;
    assert!(exit.oom && exit.code == Some(137), "{exit:?}");
    let said = said(&running).await;
    assert!(
        said.contains("[out of memory") && said.contains("64 MiB"),
        "{said}"
    );
    assert!(!said.contains("had it"), "{said}");
    running.remove().await.unwrap();
}

#[tokio::test]
async fn files_in_memory_count() {
    let platform = Platform::new().await;
    let mut run = sh(
        "a.0.1",
        "head -c 500M /dev/zero > /tmp/big; head -c 500M /dev/zero > /dev/shm/big",
    );
    run.mem_mib = 64;
    let running = platform.start(&run).await;
    let exit = wait(&running).await;
    assert_ne!(exit.code, Some(0), "{exit:?}");
    running.remove().await.unwrap();
}

#[tokio::test]
async fn a_fork_bomb_is_bounded() {
    let platform = Platform::new().await;
    let program = "import os, sys, time\n\
                   made = 0\n\
                   try:\n\
                   \x20   while made < 5000:\n\
                   \x20       if os.fork() == 0:\n\
                   \x20           time.sleep(1000)\n\
                   \x20       made += 1\n\
                   except OSError as e:\n\
                   \x20   print(made, e.strerror)\n";
    let running = platform
        .start(&command("a.0.1", &["python3", "-c", program]))
        .await;
    let exit = wait(&running).await;
    let said = said(&running).await;
    assert_eq!(exit.code, Some(0), "{exit:?} {said}");
    assert!(said.contains("Resource temporarily unavailable"), "{said}");
    let made: u32 = said.split(' ').next().unwrap().parse().unwrap();
    assert!((400..512).contains(&made), "{made}");
    running.remove().await.unwrap();
}

#[tokio::test]
async fn a_share_of_a_core_is_kept() {
    let platform = Platform::new().await;
    let program = "import time\n\
                   end = time.monotonic() + 1\n\
                   while time.monotonic() < end: pass\n\
                   print(time.process_time())\n";
    let mut run = command("a.0.1", &["python3", "-c", program]);
    run.cpu_milli = 200;
    let running = platform.start(&run).await;
    wait(&running).await;
    let used: f64 = said(&running).await.trim().parse().unwrap();
    assert!(used < 0.5, "{used}");
    running.remove().await.unwrap();
}

#[tokio::test]
async fn output_is_bounded_on_disk_and_in_memory() {
    let platform = Platform::new().await;
    let script = "head -c 200M /dev/zero | tr '\\0' x; echo; echo end; sleep 1000";
    let running = platform.start(&sh("a.0.1", script)).await;
    let mut output = running.output(0);
    let mut last = Vec::new();
    while !last.ends_with(b"end\n") {
        last = output.next().await.unwrap().unwrap().bytes;
    }
    let folder = platform.runs().join("a.0.1");
    let disk = size(&folder.join("output"));
    assert!((1..=65 * 1024 * 1024).contains(&disk), "{disk}");
    let shim = processes(&format!("eai-test-shim {}", folder.display()))[0];
    let status = std::fs::read_to_string(format!("/proc/{shim}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak: u64 = peak
        .unwrap()
        .trim()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(peak < 16 * 1024, "the shim took {peak} kB");
    assert!(status.contains("Threads:\t1\n"), "{status}");
    running.remove().await.unwrap();
}

#[tokio::test]
async fn a_slow_reader_hears_that_output_was_dropped() {
    let platform = Platform::new().await;
    let script = "head -c 200M /dev/zero | tr '\\0' x; echo; echo end";
    let running = platform.start(&sh("a.0.1", script)).await;
    assert_eq!(wait(&running).await.code, Some(0));
    let said = said(&running).await;
    assert!(said.starts_with("[1"), "{:?}", said.get(..80));
    assert!(said.contains("bytes of older output dropped]\n"));
    assert!(said.ends_with("x\nend\n"));
    assert!(
        said.len() > 50_000_000 && said.len() < 68_000_000,
        "{}",
        said.len()
    );
    running.remove().await.unwrap();
}

#[tokio::test]
async fn nothing_is_left_of_a_run_that_was_removed() {
    let platform = Platform::new().await;
    let name = format!("left-{}.0.1", std::process::id());
    let script = "setsid setsid sleep 27182.8 & echo up; sleep 27182.8";
    let mut run = sh(&name, script);
    run.mounts = vec![mount(platform.folder.path(), "/service")];
    let running = platform.start(&run).await;
    says(&running, "up").await;
    until("both sleep", || processes("sleep 27182.8").len() >= 2).await;
    assert!(!groups(&name).is_empty());
    running.remove().await.unwrap();
    assert!(processes("sleep 27182.8").is_empty());
    assert!(processes(&name).is_empty());
    assert!(groups(&name).is_empty());
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(
        !mounts.contains(&name) && !mounts.contains("/mnt/0"),
        "{mounts}"
    );
    assert_eq!(std::fs::read_dir(platform.runs()).unwrap().count(), 0);
}

#[tokio::test]
async fn background_processes_end_with_the_command() {
    let platform = Platform::new().await;
    let (exit, _) = platform.sh("a.0.1", "setsid sleep 16180.3 & exit 0").await;
    assert_eq!(exit.code, Some(0));
    assert!(processes("sleep 16180.3").is_empty());
}
