//! Reading a long log from its start: checked and folded by eai, and only counted by a bare consumer, in turn.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, consumer::push::OrderedConfig};
use eai_core::account::AccountAggregate;
use eai_core::aggregate::Aggregate;
use eai_core::command::{AnyState, Folded};
use eai_core::data::DataAggregate;
use eai_core::log::chain::aggregate_key;
use eai_core::log::{Chain, Log, Position, STREAM};
use eai_core::name::NameAggregate;
use eai_core::role::RoleAggregate;
use eai_core::service::ServiceAggregate;
use eai_core::subject::ALL_EVENTS;
use futures::StreamExt;

use super::samples::median;
use super::server::Server;
use super::{Size, events, memory, report};

/// The memory of this process around the folds, in MiB.
pub(crate) struct Memory {
    pub(crate) before: u64,
    pub(crate) peak: u64,
}

pub(crate) async fn run(server: &Server, size: Size) -> Memory {
    let log = server.log().await;
    let client = server.connect().await.client().clone();
    let start = Instant::now();
    let (events, bytes) = events::fill(client.clone(), size).await;
    report::complain(&format!(
        "wrote {events} events of {bytes} bytes in {:.1} s",
        start.elapsed().as_secs_f64()
    ));
    let (mut folds, mut follows, mut counts) = (Vec::new(), Vec::new(), Vec::new());
    count(&client, events).await;
    memory::forget_peak();
    let before = memory::of("self").0;
    let mut peak = 0;
    let mut aggregates = 0;
    for _ in 0..size.replays {
        counts.push(count(&client, events).await);
        follows.push(follow(&log, events).await);
        memory::forget_peak();
        let (time, folded) = fold(&log, events).await;
        peak = peak.max(memory::of("self").1);
        folds.push(time);
        aggregates = folded;
    }
    let best = |times: &[Duration]| {
        let best = times.iter().min().expect("a replay");
        format!("{:.0}/s", per_second(events, *best))
    };
    let best_ratio = |times: &[Duration]| {
        let [bare, own] =
            [counts.as_slice(), times].map(|times| times.iter().min().expect("a replay"));
        format!("{:.2}", bare.as_secs_f64() / own.as_secs_f64())
    };
    let rate = |times: &[Duration]| {
        let rates = times.iter().map(|time| per_second(events, *time));
        format!("{:.0}/s", median(rates))
    };
    let ratio = |times: &[Duration]| {
        let pairs = counts.iter().zip(times);
        let ratios = pairs.map(|(count, own)| count.as_secs_f64() / own.as_secs_f64());
        format!("{:.2}", median(ratios))
    };
    let row = |name: &str, times: &[Duration]| {
        vec![
            name.to_owned(),
            rate(times),
            ratio(times),
            best(times),
            best_ratio(times),
        ]
    };
    report::table(
        &format!(
            "replay of {events} events of {bytes} bytes on average, {aggregates} aggregates \
             (medians of {} turns)",
            size.replays
        ),
        &["", "events", "to bare", "best turn", "best to best"],
        &[
            row("bare ordered consumer, counted", &counts),
            row("subscription, counted", &follows),
            row("subscription, chain checked, folded", &folds),
        ],
    );
    Memory { before, peak }
}

#[expect(clippy::cast_precision_loss, reason = "a rate is rounded anyway")]
fn per_second(events: u64, time: Duration) -> f64 {
    events as f64 / time.as_secs_f64()
}

/// What the client does by itself.
async fn count(client: &async_nats::Client, events: u64) -> Duration {
    let start = Instant::now();
    let config = OrderedConfig {
        deliver_subject: client.new_inbox(),
        filter_subject: ALL_EVENTS.into(),
        ..OrderedConfig::default()
    };
    let consumer = jetstream::new(client.clone())
        .create_consumer_on_stream(config, STREAM)
        .await
        .expect("a consumer");
    let mut messages = consumer.messages().await.expect("messages");
    for _ in 0..events {
        messages.next().await.expect("a message").expect("an event");
    }
    start.elapsed()
}

/// The log's subscription: gaps are noticed, documents not looked at.
async fn follow(log: &Log, events: u64) -> Duration {
    let start = Instant::now();
    let mut subscription = log.subscribe(ALL_EVENTS, Position::START);
    for _ in 0..events {
        subscription.next().await.expect("an event");
    }
    start.elapsed()
}

/// Everything a rebuild of the state does: each document is read, its chain is checked, its event is folded.
async fn fold(log: &Log, events: u64) -> (Duration, usize) {
    let start = Instant::now();
    let mut subscription = log.subscribe(ALL_EVENTS, Position::START);
    let mut chain = Chain::default();
    let mut states: HashMap<Box<str>, Box<dyn AnyState>> = HashMap::new();
    for _ in 0..events {
        let event = subscription.next().await.expect("an event");
        let envelope = chain.follow(&event).expect("an unbroken chain");
        let envelope = envelope.expect("an event");
        let event_type = envelope.type_parts().expect("a type");
        let key = aggregate_key(&event.subject);
        let state = match states.get_mut(key) {
            Some(state) => state,
            None => states
                .entry(key.into())
                .or_insert_with(|| initial(event_type.kind)),
        };
        state
            .apply(event_type, envelope.data.get())
            .expect("a known event");
    }
    (start.elapsed(), states.len())
}

/// The state of an aggregate without events.
fn initial(kind: &str) -> Box<dyn AnyState> {
    fn empty<A: Aggregate>() -> Box<dyn AnyState> {
        Box::new(Folded::<A>(A::State::default()))
    }
    match kind {
        AccountAggregate::KIND => empty::<AccountAggregate>(),
        DataAggregate::KIND => empty::<DataAggregate>(),
        NameAggregate::KIND => empty::<NameAggregate>(),
        RoleAggregate::KIND => empty::<RoleAggregate>(),
        ServiceAggregate::KIND => empty::<ServiceAggregate>(),
        other => panic!("no aggregate is a {other}"),
    }
}
