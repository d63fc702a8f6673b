//! Writes a long log quickly: the events that commands would have made, in atomic batches, chains and headers included.

use std::collections::HashMap;
use std::ops::Range;

use async_nats::{Client, HeaderMap};
use eai_core::command::{AnyPart, AnyState, Decided, Part};
use eai_core::digest::Digest;
use eai_core::envelope::{Actor, Envelope, schema_urn, source_urn};
use eai_core::ids::{CommandId, PlatformId, ServiceId};
use eai_core::log::STREAM;
use eai_core::service::{Command, ServiceAggregate};
use eai_core::subject::Address;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Size;
use super::commands::{account, make};

/// The most that the server takes in one batch.
const BATCH: usize = 1000;

/// Where an aggregate stands.
struct Head {
    state: Box<dyn AnyState>,
    digest: Digest,
    sequence: u64,
}

/// Writes a log, event by event.
pub(crate) struct Writer {
    client: Client,
    heads: HashMap<Address, Head>,
    batch: Vec<(String, HeaderMap, Vec<u8>)>,
    sequence: u64,
    /// Up to where all is stored.
    flushed: u64,
    bytes: usize,
}

/// How long a history is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct History {
    /// How many services there are.
    pub(crate) services: usize,
    /// How often each is stopped or started.
    pub(crate) changes: usize,
    /// How often one of them is, beside that.
    pub(crate) of_one: usize,
}

/// Makes every service, then changes all of them in turn; how many events, and their mean size.
pub(crate) async fn fill(client: Client, size: Size) -> (u64, usize) {
    let mut writer = Writer::new(client);
    let commands = writer.make(size.services).await;
    writer.change(&commands, 0..size.changes).await;
    writer.finish().await
}

/// The same with one that changes far more often than the others; that one, and how many events it has.
pub(crate) async fn fill_history(
    client: Client,
    size: History,
) -> (u64, usize, (ServiceId, usize)) {
    let mut writer = Writer::new(client);
    let commands = writer.make(size.services).await;
    writer.change(&commands, 0..size.changes).await;
    let more = size.changes..size.changes + size.of_one;
    writer.change(&commands[..1], more).await;
    let (events, bytes) = writer.finish().await;
    let one = ServiceId(commands[0].aggregate(0));
    let its = 1 + size.changes + size.of_one;
    (events, bytes, (one, its))
}

impl Writer {
    fn new(client: Client) -> Self {
        Self {
            client,
            heads: HashMap::new(),
            batch: Vec::new(),
            sequence: 0,
            flushed: 0,
            bytes: 0,
        }
    }

    /// The commands that made services.
    async fn make(&mut self, services: usize) -> Vec<CommandId> {
        let commands: Vec<_> = (0..services).map(|_| CommandId(Uuid::new_v4())).collect();
        for (index, id) in commands.iter().enumerate() {
            for part in make(*id, index) {
                self.decide(*id, part.as_ref()).await;
            }
        }
        commands
    }

    /// Stops and starts each of them in turn.
    async fn change(&mut self, services: &[CommandId], changes: Range<usize>) {
        for change in changes {
            for command in services {
                let service = ServiceId(command.aggregate(0));
                let change = if change % 2 == 0 {
                    Command::Stop
                } else {
                    Command::Start
                };
                let part = Part::<ServiceAggregate>::on(account(), service, change);
                self.decide(CommandId(Uuid::new_v4()), &part).await;
            }
        }
    }

    async fn finish(mut self) -> (u64, usize) {
        self.flush().await;
        let events = usize::try_from(self.sequence).expect("a count");
        (self.sequence, self.bytes / events)
    }
}

impl Writer {
    async fn decide(&mut self, id: CommandId, part: &dyn AnyPart) {
        let address = part.address();
        let head = self.heads.entry(address.clone()).or_insert_with(|| Head {
            state: part.initial(),
            digest: Digest::ZERO,
            sequence: 0,
        });
        let decided = part.decide(head.state.as_ref()).expect("a decision");
        for (index, decided) in (0..).zip(&decided) {
            let event_id = id.event(address.kind(), address.id(), index);
            let payload = document(id, index, address, decided, head.digest);
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Msg-Id", event_id.to_string());
            headers.insert("Nats-Expected-Stream", STREAM);
            // What comes before it in the same batch is not stored yet.
            if head.sequence <= self.flushed {
                headers.insert(
                    "Nats-Expected-Last-Subject-Sequence",
                    head.sequence.to_string(),
                );
                headers.insert(
                    "Nats-Expected-Last-Subject-Sequence-Subject",
                    address.filter(),
                );
            }
            self.sequence += 1;
            head.sequence = self.sequence;
            head.digest = Digest::of(&payload);
            head.state
                .apply(decided.event_type, decided.data.get())
                .expect("a known event");
            self.bytes += payload.len();
            self.batch
                .push((address.event(decided.event_type.name), headers, payload));
        }
        if self.batch.len() >= BATCH {
            self.flush().await;
        }
    }

    async fn flush(&mut self) {
        let id = Uuid::new_v4().simple().to_string();
        let last = self.batch.len();
        for (number, (subject, mut headers, payload)) in (1..).zip(self.batch.drain(..)) {
            headers.insert("Nats-Batch-Id", id.as_str());
            headers.insert("Nats-Batch-Sequence", number.to_string());
            if number < last {
                let sent = self
                    .client
                    .publish_with_headers(subject, headers, payload.into());
                sent.await.expect("a publish");
            } else {
                headers.insert("Nats-Batch-Commit", "1");
                let sent = self
                    .client
                    .request_with_headers(subject, headers, payload.into());
                let answer = sent.await.expect("an acknowledgement");
                let answer: Value = serde_json::from_slice(&answer.payload).expect("a document");
                assert_eq!(answer["seq"], self.sequence, "{answer}");
                self.flushed = self.sequence;
            }
        }
    }
}

fn document(
    id: CommandId,
    index: u32,
    address: &Address,
    decided: &Decided,
    prevhash: Digest,
) -> Vec<u8> {
    let event_type = decided.event_type.to_string();
    let envelope = Envelope {
        specversion: "1.0".into(),
        id: id.event(address.kind(), address.id(), index),
        source: source_urn(PlatformId(Uuid::from_u128(1))).into(),
        dataschema: schema_urn(&event_type).into(),
        r#type: event_type.into(),
        subject: address.to_string().into(),
        time: OffsetDateTime::now_utc(),
        datacontenttype: "application/json".into(),
        account: address.account().as_str().into(),
        actor: Actor::Platform.to_string().into(),
        commandid: id,
        correlationid: id.0,
        causationid: None,
        traceparent: None,
        prevhash,
        data: &decided.data,
    };
    envelope.to_bytes().expect("a document")
}
