//! One command, from accepted to acknowledged: the library, a bare publish, and the HTTP API take turns.

use std::time::{Duration, Instant};

use async_nats::jetstream::{self, message::PublishMessage};
use eai_core::command::{AnyPart, Context, Part};
use eai_core::envelope::Actor;
use eai_core::ids::{CommandId, ServiceId};
use eai_core::log::{Log, STREAM};
use eai_core::names::AccountName;
use eai_core::service::{self, Command, New, Owned, ServiceAggregate, Terms};
use eai_core::subject::Address;
use time::OffsetDateTime;
use uuid::Uuid;

use super::api::Api;
use super::samples::{Turns, milliseconds};
use super::server::Server;
use super::{Size, report};

/// How many services take turns.
pub(crate) const ROTATING: usize = 64;

/// Publishes with the client alone, into the same stream.
struct Bare {
    context: jetstream::Context,
    payload: Vec<u8>,
    /// Each aggregate's subject, filter and last sequence.
    aggregates: Vec<(String, String, u64)>,
    next: usize,
}

/// The commands of the library.
struct Library {
    log: Log,
    services: Vec<ServiceId>,
    next: usize,
}

pub(crate) async fn run(server: &Server, size: Size) {
    let mut library = Library::new(server.log().await).await;
    let payload = library.sample().await;
    let bytes = payload.len();
    let context = jetstream::new(server.connect().await.client().clone());
    let mut plain = Bare::new(context.clone(), payload.clone(), "plain");
    let mut expecting = Bare::new(context, payload, "expecting");
    let mut api = Api::start().await;
    let [mut plains, mut expectings, mut commands, mut calls]: [Turns; 4] = Default::default();
    // The first turn warms up.
    for turn in 0..=size.rounds {
        let measured = [
            plain.turn(size.commands, false).await,
            expecting.turn(size.commands, true).await,
            library.turn(size.commands).await,
        ];
        let called = match &mut api {
            Some(api) => Some(api.turn(size.commands).await),
            None => None,
        };
        if turn > 0 {
            let [plain, expecting, command] = measured;
            plains.add(plain);
            expectings.add(expecting);
            commands.add(command);
            if let Some(called) = called {
                calls.add(called);
            }
        }
    }
    let row = |name: &str, turns: &Turns| {
        vec![
            name.to_owned(),
            milliseconds(turns.percentile(50)),
            milliseconds(turns.percentile(99)),
            format!("{:.2}", turns.ratio(&plains, 50)),
            format!("{:.2}", turns.ratio(&expectings, 50)),
        ]
    };
    let mut rows = vec![
        row("bare publish", &plains),
        row("bare publish with the same headers", &expectings),
        row("command through the library", &commands),
    ];
    match api {
        Some(_) => rows.push(row("command through HTTP", &calls)),
        None => report::complain(
            "no `eai` beside this program, so HTTP is left out: cargo build --release -p eai",
        ),
    }
    report::table(
        &format!(
            "one event of {bytes} bytes, accepted to acknowledged, one by one \
             (medians of {} turns of {})",
            size.rounds, size.commands
        ),
        &["", "p50", "p99", "p50 to bare", "to bare with headers"],
        &rows,
    );
}

// === impl Bare ===

impl Bare {
    fn new(context: jetstream::Context, payload: Vec<u8>, account: &str) -> Self {
        let account: AccountName = format!("bench.{account}").parse().expect("a name");
        let aggregates = (0..ROTATING).map(|_| {
            let address = Address::new(account.clone(), "service", Uuid::new_v4());
            (address.event("stopped"), address.filter(), 0)
        });
        Self {
            context,
            payload,
            aggregates: aggregates.collect(),
            next: 0,
        }
    }

    async fn turn(&mut self, count: usize, expect: bool) -> Vec<Duration> {
        let mut latencies = Vec::with_capacity(count);
        for _ in 0..count {
            let (subject, filter, last) = &mut self.aggregates[self.next % ROTATING];
            self.next += 1;
            let start = Instant::now();
            let mut message = PublishMessage::build().payload(self.payload.clone().into());
            if expect {
                message = message
                    .message_id(Uuid::new_v4().to_string())
                    .expected_stream(STREAM)
                    .expected_last_subject_sequence(*last)
                    .header(
                        "Nats-Expected-Last-Subject-Sequence-Subject",
                        filter.as_str(),
                    );
            }
            let sent = self.context.send_publish(subject.clone(), message).await;
            let acknowledged = sent.expect("a publish").await.expect("an acknowledgement");
            latencies.push(start.elapsed());
            *last = acknowledged.sequence;
        }
        latencies
    }
}

// === impl Library ===

impl Library {
    async fn new(log: Log) -> Self {
        let mut services = Vec::new();
        for index in 0..ROTATING {
            let context = context();
            let parts = make(context.id, index);
            log.execute(&context, &parts).await.expect("a service");
            services.push(ServiceId(context.id.aggregate(0)));
        }
        Self {
            log,
            services,
            next: 0,
        }
    }

    /// Stops and starts in turn: a round of stops, then one of starts.
    async fn turn(&mut self, count: usize) -> Vec<Duration> {
        let mut latencies = Vec::with_capacity(count);
        for _ in 0..count {
            let service = self.services[self.next % ROTATING];
            let stop = (self.next / ROTATING).is_multiple_of(2);
            self.next += 1;
            let start = Instant::now();
            let command = if stop { Command::Stop } else { Command::Start };
            let part = Part::<ServiceAggregate>::on(account(), service, command).boxed();
            let outcome = self.log.execute(&context(), &[part]).await;
            latencies.push(start.elapsed());
            assert_eq!(outcome.expect("a command").events, 1);
        }
        latencies
    }

    /// The document of a stop.
    async fn sample(&mut self) -> Vec<u8> {
        self.turn(1).await;
        let last = self.log.last_sequence().await.expect("a sequence");
        let event = self.log.get(last).await.expect("an answer");
        event.expect("an event").payload.to_vec()
    }
}

pub(crate) fn account() -> AccountName {
    "snow.testacc".parse().expect("a name")
}

pub(crate) fn context() -> Context {
    let id = CommandId(Uuid::new_v4());
    Context::user(id, Actor::Platform, OffsetDateTime::now_utc())
}

/// The parts of `service new`.
pub(crate) fn make(id: CommandId, index: usize) -> Vec<Box<dyn AnyPart>> {
    let name = format!("service_{index}").parse().expect("a name");
    let new = New {
        full_name: account().join(name),
        runtime: Owned::Made,
        role: Owned::Made,
        public: false,
        queue: None,
        terms: Terms::default(),
    };
    service::create(id, new).expect("a service")
}
