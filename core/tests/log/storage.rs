//! Files that are not as they were written: a flipped bit and a truncated block show at the next read.

use std::fs::{self, OpenOptions};

use eai_core::log::{Chain, Error, Log, Position};
use eai_core::service::Command;
use eai_core::subject::ALL_EVENTS;

use super::server::{LONG, Server, open};
use super::support::{
    CREATED, context, created, damage, execute, on, read_to, service_of, toggle, within,
};

const TOGGLES: usize = 20;
const LAST: u64 = (CREATED + TOGGLES) as u64;

async fn filled(server: &Server) -> (Log, eai_core::ids::ServiceId) {
    let log = server.log().await;
    let service = service_of(created(&log, "web").await);
    toggle(&log, service, TOGGLES).await;
    (log, service)
}

/// Where the document of an event stands in the newest block.
async fn place(server: &Server, log: &Log, sequence: u64) -> (std::path::PathBuf, usize, usize) {
    let event = log.get(sequence).await.unwrap().unwrap();
    let block = server.blocks().pop().unwrap();
    let bytes = fs::read(&block).unwrap();
    let at = bytes
        .windows(event.payload.len())
        .position(|window| window == event.payload)
        .expect("the document is stored as it is");
    (block, at, event.payload.len())
}

/// Reads to the end of what the log says it has, and checks it.
async fn check(log: &Log) -> Result<u64, Error> {
    let last = log.last_sequence().await?;
    let mut chain = Chain::default();
    for event in read_to(log, last).await? {
        chain.follow(&event)?;
    }
    Ok(chain.last_sequence())
}

#[tokio::test]
async fn a_flipped_bit_is_named() {
    let mut server = Server::start();
    let (log, service) = filled(&server).await;
    let flipped = CREATED as u64 + 9;
    let (block, at, length) = place(&server, &log, flipped).await;
    server.stop();
    let mut bytes = fs::read(&block).unwrap();
    bytes[at + length / 2] ^= 1;
    fs::write(&block, bytes).unwrap();
    server.up();
    let fresh = open(server.connect().await, LONG).await;
    for log in [&log, &fresh] {
        let said = damage(check(log).await);
        assert!(said.contains(&flipped.to_string()), "{said}");
    }
    let said = damage(execute(&fresh, &on(service, Command::Stop)).await);
    assert!(
        said.contains(&flipped.to_string()) || said.contains(&(flipped + 1).to_string()),
        "{said}"
    );
}

#[tokio::test]
async fn a_flipped_bit_in_the_newest_event_is_missed_by_who_saw_it() {
    let mut server = Server::start();
    let (log, service) = filled(&server).await;
    let (block, at, length) = place(&server, &log, LAST).await;
    server.stop();
    let mut bytes = fs::read(&block).unwrap();
    bytes[at + length / 2] ^= 1;
    fs::write(&block, bytes).unwrap();
    server.up();
    let said = damage(execute(&log, &on(service, Command::Stop)).await);
    assert!(said.contains(&LAST.to_string()), "{said}");
}

#[tokio::test]
async fn a_truncated_log_halts_who_was_further() {
    let mut server = Server::start();
    let (log, service) = filled(&server).await;
    let mut following = log.subscribe(ALL_EVENTS, Position::START);
    while within("an event", following.next()).await.unwrap().sequence < LAST {}
    let cut = CREATED as u64 + 9;
    let (block, at, length) = place(&server, &log, cut).await;
    server.kill();
    let file = OpenOptions::new().write(true).open(&block).unwrap();
    file.set_len((at + length / 2) as u64).unwrap();
    drop(file);
    server.up();
    let fresh = open(server.connect().await, LONG).await;
    assert_eq!(
        fresh.last_sequence().await.unwrap(),
        cut - 1,
        "the server says nothing"
    );
    // A reader that was further, whether it was following or comes back later.
    let mut later = log.subscribe(ALL_EVENTS, Position::Sequence(LAST + 1));
    for subscription in [&mut following, &mut later] {
        let said = damage(within("damage", subscription.next()).await);
        assert!(said.contains(&LAST.to_string()), "{said}");
    }
    // A command by who knows more than the log has.
    let said = damage(log.execute(&context(), &on(service, Command::Stop)).await);
    assert!(said.contains(&LAST.to_string()), "{said}");
}
