//! What holds for every history, name, envelope and spec, tried on random ones.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod generators;

use std::fmt::Debug;

use eai_core::account::AccountAggregate;
use eai_core::aggregate::{Aggregate, Event as _};
use eai_core::command::{AnyState as _, Folded};
use eai_core::data::DataAggregate;
use eai_core::digest::Digest;
use eai_core::envelope::{Envelope, TypeParts};
use eai_core::executor::ExecutorAggregate;
use eai_core::job::JobAggregate;
use eai_core::name::{Command as NameCommand, NameAggregate};
use eai_core::names::{AccountName, FullName, Name, Reference};
use eai_core::role::RoleAggregate;
use eai_core::service::{Event as ServiceEvent, ServiceAggregate, State as ServiceState, Status};
use eai_core::spec::Spec;
use eai_core::subject::{Address, LIVE, Parts, live_filter};
use eai_core::task::TaskAggregate;
use proptest::prelude::*;

const CASES: u32 = 64;

// === histories ===

/// Runs commands one after another, as the log does, and checks after each:
/// what was decided folds to the same state from memory and from stored payloads, names its effect, and is
/// settled: the same command at once decides nothing more.
fn run<A: Aggregate>(commands: &[A::Command]) -> Result<Vec<A::Event>, TestCaseError>
where
    A::Event: Debug,
{
    let mut state = A::State::default();
    let mut stored = Folded::<A>(A::State::default());
    let mut history = Vec::new();
    for command in commands {
        let Ok(decided) = A::decide(&state, command) else {
            continue;
        };
        prop_assert_eq!(
            A::decide(&state, command),
            Ok(decided.clone()),
            "a decision depends on the state alone"
        );
        for event in decided {
            prop_assert_eq!(event.name(), A::effect(command));
            let payload = event.data().unwrap();
            let event_type = TypeParts {
                kind: A::KIND,
                name: event.name(),
                version: event.version(),
            };
            let decoded = A::Event::decode(event.name(), event.version(), payload.get());
            prop_assert_eq!(&decoded.unwrap(), &event);
            stored.apply(event_type, payload.get()).unwrap();
            state = A::evolve(state, &event);
            history.push(event);
        }
        let folded = history.iter().fold(A::State::default(), A::evolve);
        prop_assert_eq!(&folded, &state);
        prop_assert_eq!(&stored.0, &state);
        if let Ok(again) = A::decide(&state, command) {
            prop_assert!(
                again.is_empty(),
                "{:?} would happen twice: {:?}",
                command,
                again
            );
        }
    }
    Ok(history)
}

/// Folds events in an order that no decision makes: a replay never fails.
fn replay<A: Aggregate>(events: &[A::Event]) {
    let mut state = A::State::default();
    for event in events {
        let again = A::evolve(state.clone(), event);
        state = A::evolve(state, event);
        assert_eq!(again, state, "a fold depends on its arguments alone");
    }
}

macro_rules! histories {
    ($($module:ident: $aggregate:ty,)+) => {$(
        mod $module {
            use super::*;

            proptest! {
                #![proptest_config(ProptestConfig::with_cases(CASES))]

                #[test]
                fn commands_settle(commands in generators::$module::commands()) {
                    run::<$aggregate>(&commands)?;
                }

                #[test]
                fn any_events_fold(
                    histories in prop::collection::vec(generators::$module::commands(), 1..4),
                    order in any::<prop::sample::Index>(),
                ) {
                    let mut events = Vec::new();
                    for commands in &histories {
                        events.extend(run::<$aggregate>(commands)?);
                    }
                    if !events.is_empty() {
                        let middle = order.index(events.len());
                        events.rotate_left(middle);
                    }
                    replay::<$aggregate>(&events);
                    events.reverse();
                    replay::<$aggregate>(&events);
                }
            }
        }
    )+};
}

histories! {
    account: AccountAggregate,
    data: DataAggregate,
    executor: ExecutorAggregate,
    job: JobAggregate,
    name: NameAggregate,
    role: RoleAggregate,
    service: ServiceAggregate,
    task: TaskAggregate,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// Against a model: whoever was told that it has the name has it until it gives it back.
    #[test]
    fn a_name_has_one_holder(commands in generators::name::commands()) {
        let mut state = None;
        let mut holder = None;
        for command in &commands {
            let decided = NameAggregate::decide(&state, command);
            match command {
                NameCommand::Reserve(wanted) => {
                    let free = holder.is_none_or(|holder| holder == wanted.holder);
                    prop_assert_eq!(decided.is_ok(), free);
                    if free {
                        holder = Some(wanted.holder);
                    }
                }
                NameCommand::Release(released) => {
                    prop_assert!(decided.is_ok());
                    holder = holder.filter(|holder| *holder != released.holder);
                }
            }
            state = decided.unwrap_or_default().iter().fold(state, NameAggregate::evolve);
            prop_assert_eq!(state, holder);
        }
    }

    #[test]
    fn a_service_changes_only_as_allowed(commands in generators::service::commands()) {
        use Status::{Deactivated, Deleted, Off, On};
        let history = run::<ServiceAggregate>(&commands)?;
        let mut state: ServiceState = None;
        let mut before_deactivation = None;
        for event in &history {
            let before = state.as_ref().map(|service| service.status);
            state = ServiceAggregate::evolve(state, event);
            let after = state.as_ref().map(|service| service.status);
            let allowed = match event {
                ServiceEvent::Created(_) => before.is_none() && matches!(after, Some(On | Off)),
                // On already, what failed is tried again.
                ServiceEvent::Started(_) => matches!(before, Some(On | Off)) && after == Some(On),
                ServiceEvent::Deleted(_) => before != Some(Deleted) && after == Some(Deleted),
                // Off already, it lets the workers go that it had kept.
                ServiceEvent::Stopped(_) => matches!(before, Some(On | Off)) && after == Some(Off),
                ServiceEvent::Deactivated(_) => {
                    before_deactivation = before;
                    matches!(before, Some(On | Off)) && after == Some(Deactivated)
                }
                ServiceEvent::Reactivated(_) => before == Some(Deactivated) && after == before_deactivation,
                ServiceEvent::Activated(_) => (before, after) == (Some(On), Some(On)),
                ServiceEvent::Revised(_) | ServiceEvent::Switched(_) | ServiceEvent::JobEnded(_) | ServiceEvent::Scaled(_)
                | ServiceEvent::HealthChanged(_) | ServiceEvent::DeadLettered(_) | ServiceEvent::Draining(_) | ServiceEvent::Drained(_)
                | ServiceEvent::Restarted(_) | ServiceEvent::Configured(_) | ServiceEvent::Quiet(_)
                | ServiceEvent::Busy(_) | ServiceEvent::GaveUp(_) | ServiceEvent::Joined(_) | ServiceEvent::Resized(_) => {
                    before == after
                }
            };
            prop_assert!(allowed, "{:?} -> {:?} by {:?}", before, after, event);
        }
    }

    // === names, references, subjects ===

    #[test]
    fn what_is_accepted_as_a_name_is_a_token(text in generators::near_name()) {
        if let Ok(name) = text.parse::<Name>() {
            prop_assert_eq!(name.to_string(), text.as_str());
            prop_assert!(is_token(name.as_str()));
            let json = serde_json::to_string(&name).unwrap();
            prop_assert_eq!(serde_json::from_str::<Name>(&json).unwrap(), name);
        }
        if let Ok(account) = text.parse::<AccountName>() {
            prop_assert_eq!(account.to_string(), text.as_str());
            prop_assert!(is_token(&account.token()) && is_token(account.organization().as_str()));
        }
        if let Ok(reference) = text.parse::<Reference>() {
            prop_assert_eq!(reference.to_string().parse(), Ok(reference));
        }
    }

    #[test]
    fn names_are_read_as_they_are_written(full_name in generators::full_name(), id in generators::id()) {
        prop_assert_eq!(full_name.to_string().parse(), Ok(full_name.clone()));
        for reference in [
            Reference::Full(full_name.clone()),
            Reference::Plain(full_name.name.clone()),
            Reference::Id(id),
        ] {
            prop_assert_eq!(reference.to_string().parse(), Ok(reference));
        }
        let account = &full_name.account;
        prop_assert_eq!(&account.join(full_name.name.clone()), &full_name);
        prop_assert_eq!(AccountName::from_tokens(account.organization().as_str(), &account.token()), Ok(account.clone()));
        if let Some(parent) = account.parent() {
            prop_assert_eq!(format!("{parent}.{}", account.own()), account.as_str());
        }
    }

    #[test]
    fn subjects_are_read_as_they_are_built(full_name in generators::full_name(), id in generators::id()) {
        let FullName { account, name } = full_name;
        let ids = [id.to_string(), format!("service-{name}")];
        for (kind, id) in ["service", "name"].into_iter().zip(ids) {
            let address = Address::new(account.clone(), kind, &id);
            let subject = address.event("created");
            prop_assert!(subject.split('.').all(is_token), "{}", subject);
            let parts = Parts::read(&subject).unwrap();
            prop_assert_eq!((parts.kind, parts.id, parts.event), (kind, id.as_str(), "created"));
            prop_assert_eq!(parts.account(), Ok(account.clone()));
            prop_assert!(subject.starts_with(address.filter().trim_end_matches('>')));
            let live = subject.replacen("eai.event", LIVE, 1);
            prop_assert!(live.starts_with(live_filter(&account).trim_end_matches('>')));
        }
    }

    /// One account's filter never takes another's events, not even an account within it.
    #[test]
    fn accounts_are_apart(one in generators::full_name(), other in generators::full_name()) {
        let filter = live_filter(&one.account);
        let subject = Address::new(other.account.clone(), "service", "x").event("e").replacen("eai.event", LIVE, 1);
        prop_assert_eq!(subject.starts_with(filter.trim_end_matches('>')), one.account == other.account);
    }

    // === envelope and digest ===

    #[test]
    fn envelopes_are_read_as_they_are_written(owned in generators::envelope()) {
        let envelope = owned.borrow();
        let bytes = envelope.to_bytes().unwrap();
        let read = Envelope::parse(&bytes).unwrap();
        prop_assert_eq!(read.to_bytes().unwrap(), bytes.clone());
        prop_assert_eq!(&read.specversion, &envelope.specversion);
        prop_assert_eq!((read.id, read.time), (envelope.id, envelope.time));
        prop_assert_eq!((&read.r#type, &read.subject), (&envelope.r#type, &envelope.subject));
        prop_assert_eq!((&read.account, &read.actor), (&envelope.account, &envelope.actor));
        prop_assert_eq!((read.commandid, read.correlationid), (envelope.commandid, envelope.correlationid));
        prop_assert_eq!((read.causationid, read.prevhash), (envelope.causationid, envelope.prevhash));
        prop_assert_eq!(&read.traceparent, &envelope.traceparent);
        prop_assert_eq!(read.data.get(), envelope.data.get());
    }

    #[test]
    fn envelopes_and_types_of_any_bytes_are_no_fault(bytes in prop::collection::vec(any::<u8>(), 0..200), text in ".{0,40}") {
        if let Ok(envelope) = Envelope::parse(&bytes) {
            prop_assert!(envelope.to_bytes().is_ok());
        }
        for text in [text.clone(), format!("eai.{text}.v1"), format!("eai.service.created.v{text}")] {
            TypeParts::read(&text);
        }
    }

    #[test]
    fn digests_are_read_as_they_are_written(bytes in prop::collection::vec(any::<u8>(), 0..100), flip in 0..64_usize) {
        let digest = Digest::of(&bytes);
        let text = digest.to_string();
        prop_assert_eq!(text.parse(), Ok(digest));
        let json = serde_json::to_string(&digest).unwrap();
        prop_assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
        let mut other = text.into_bytes();
        other[flip] = if other[flip] == b'0' { b'1' } else { b'0' };
        prop_assert_ne!(String::from_utf8(other).unwrap().parse(), Ok(digest));
    }

    // === spec ===

    #[test]
    fn specs_are_read_as_they_are_written(spec in generators::spec::any()) {
        spec.check().unwrap();
        let yaml = spec.to_yaml().unwrap();
        let read = Spec::parse(yaml.as_bytes()).map_err(|error| TestCaseError::fail(format!("{error}\n{yaml}")))?;
        prop_assert_eq!(&read, &spec, "{}", yaml);
        prop_assert_eq!(read.hash(), spec.hash());
        let json = serde_json::to_string(&spec).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Spec>(&json).unwrap(), &spec);
    }

    #[test]
    fn specs_are_equal_where_their_hashes_are(one in generators::spec::small(), other in generators::spec::small()) {
        prop_assert_eq!(one == other, one.hash() == other.hash());
        prop_assert_eq!(one == other, one.canonical() == other.canonical());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        refused_or_settled(&bytes)?;
    }

    #[test]
    fn any_yaml_is_read_or_refused(text in generators::spec::near_yaml()) {
        refused_or_settled(text.as_bytes())?;
    }
}

fn refused_or_settled(bytes: &[u8]) -> Result<(), TestCaseError> {
    match Spec::parse(bytes) {
        Ok(spec) => prop_assert_eq!(Spec::parse(spec.to_yaml().unwrap().as_bytes()), Ok(spec)),
        Err(error) => {
            let text = error.to_string();
            prop_assert!(!text.is_empty() && text.len() < 2000, "{}", text);
            prop_assert!(!text.contains(char::is_control), "{:?}", text);
        }
    }
    Ok(())
}

/// A single token of a NATS subject that is no wildcard.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && !text.contains(['.', '*', '>'])
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}
