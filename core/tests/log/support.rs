//! Commands to try, and what every test asks of a log afterwards.

use std::collections::HashMap;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use eai_core::aggregate::Refusal;
use eai_core::command::{AnyPart, Context, Part};
use eai_core::envelope::Actor;
use eai_core::ids::{CommandId, RoleId, ServiceId, UserId};
use eai_core::log::{Chain, Error, Log, Outcome, Position, Recorded};
use eai_core::names::AccountName;
use eai_core::role::{self, MemberAdded, MemberRemoved, RoleAggregate};
use eai_core::service::{self, Command, New, Owned, ServiceAggregate};
use eai_core::subject::ALL_EVENTS;
use time::OffsetDateTime;
use uuid::Uuid;

/// How long anything may take on a slow, busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// How many events `service new` makes.
pub(crate) const CREATED: usize = 6;

pub(crate) type Parts = Vec<Box<dyn AnyPart>>;

/// Asks until the answer is `Ok`; fails with the last `Err`.
#[track_caller]
pub(crate) fn until<T, E: Debug>(what: &str, mut ask: impl FnMut() -> Result<T, E>) -> T {
    let start = Instant::now();
    loop {
        match ask() {
            Ok(value) => return value,
            Err(last) if start.elapsed() > PATIENCE => {
                panic!("waited {PATIENCE:?} for {what}; last seen: {last:?}")
            }
            Err(_) => std::thread::park_timeout(Duration::from_millis(5)),
        }
    }
}

/// Awaits something that must end.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let Ok(value) = tokio::time::timeout(PATIENCE, future).await else {
        panic!("waited {PATIENCE:?} for {what}");
    };
    value
}

pub(crate) fn account() -> AccountName {
    "snow.testacc".parse().unwrap()
}

/// A command of its own.
pub(crate) fn context() -> Context {
    context_of(CommandId(Uuid::new_v4()))
}

/// A command with this id.
pub(crate) fn context_of(id: CommandId) -> Context {
    Context::user(id, Actor::Platform, OffsetDateTime::now_utc())
}

/// The parts of `service new NAME`.
pub(crate) fn new_service(id: CommandId, name: &str) -> Parts {
    let new = New {
        full_name: account().join(name.parse().unwrap()),
        runtime: Owned::Made,
        role: Owned::Made,
        public: false,
        queue: None,
        terms: service::Terms::default(),
    };
    service::create(id, new).unwrap()
}

/// The service that a command made.
pub(crate) fn service_of(id: CommandId) -> ServiceId {
    ServiceId(id.aggregate(0))
}

/// The role that came with it.
pub(crate) fn role_of(id: CommandId) -> RoleId {
    RoleId(id.aggregate(2))
}

pub(crate) fn on(service: ServiceId, command: Command) -> Parts {
    vec![Part::<ServiceAggregate>::on(account(), service, command).boxed()]
}

/// A command that always has something to do, however many others come first.
/// As many events as are wanted: members come and go, since a role has only so many at a time.
pub(crate) fn stir(role: RoleId, number: u128) -> Parts {
    let user = UserId(Uuid::from_u128(number / 2));
    let command = if number.is_multiple_of(2) {
        role::Command::AddMember(MemberAdded { user })
    } else {
        role::Command::RemoveMember(MemberRemoved { user })
    };
    vec![Part::<RoleAggregate>::on(account(), role, command).boxed()]
}

pub(crate) fn add_member(role: RoleId, user: u128) -> Parts {
    let user = UserId(Uuid::from_u128(user));
    let command = role::Command::AddMember(MemberAdded { user });
    vec![Part::<RoleAggregate>::on(account(), role, command).boxed()]
}

/// Makes a service; the id of the command that did.
pub(crate) async fn created(log: &Log, name: &str) -> CommandId {
    let context = context();
    let parts = new_service(context.id, name);
    let outcome = within("a service", log.execute(&context, &parts)).await;
    assert_eq!(outcome.unwrap().events, CREATED);
    context.id
}

/// Executes a command of its own.
pub(crate) async fn execute(log: &Log, parts: &Parts) -> Result<Outcome, Error> {
    within("a command", log.execute(&context(), parts)).await
}

/// Toggles a service: always one event.
pub(crate) async fn toggle(log: &Log, service: ServiceId, count: usize) {
    for index in 0..count {
        let command = if index % 2 == 0 {
            Command::Stop
        } else {
            Command::Start
        };
        let outcome = execute(log, &on(service, command)).await.unwrap();
        assert_eq!(outcome.events, 1, "command {index}");
    }
}

/// The code of a refusal, or what happened instead.
#[track_caller]
pub(crate) fn refusal(result: Result<Outcome, Error>) -> Refusal {
    match result {
        Err(Error::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

/// What the damage was said to be.
#[track_caller]
pub(crate) fn damage<T: Debug>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::Damaged(what)) => what,
        other => panic!("no damage was reported: {other:?}"),
    }
}

/// Reads the whole log: without gap, with unbroken chains, each event id once. Answers the events.
pub(crate) async fn verified(log: &Log) -> Vec<Recorded> {
    let last = log.last_sequence().await.unwrap();
    let events = read_to(log, last).await.unwrap();
    let mut chain = Chain::default();
    let mut ids = HashMap::new();
    for event in &events {
        let envelope = chain.follow(event).unwrap().expect("an event");
        let earlier = ids.insert(envelope.id, event.sequence);
        assert_eq!(earlier, None, "event id {} is there twice", envelope.id);
    }
    assert_eq!(chain.last_sequence(), last);
    events
}

/// Follows the log from its start to a sequence.
pub(crate) async fn read_to(log: &Log, last: u64) -> Result<Vec<Recorded>, Error> {
    let mut subscription = log.subscribe(ALL_EVENTS, Position::START);
    let mut events = Vec::new();
    while events.last().map_or(0, |event: &Recorded| event.sequence) < last {
        events.push(within("an event", subscription.next()).await?);
    }
    Ok(events)
}

/// How many events a command has in the log.
pub(crate) fn events_of(events: &[Recorded], id: CommandId) -> usize {
    let same = |event: &&Recorded| event.envelope().unwrap().commandid == id;
    events.iter().filter(same).count()
}
