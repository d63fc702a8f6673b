//! Random commands, names and envelopes. Few values of each, so that they meet.

pub(crate) mod spec;

use std::path::Path;

use eai_core::digest::Digest;
use eai_core::envelope::Envelope;
use eai_core::ids::{CommandId, DataId, EventId, JobId};
use eai_core::job::{Configuration, DataVersion, Outcome};
use eai_core::names::{AccountName, FullName, Name};
use eai_core::spec::Spec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;

const MOST_COMMANDS: usize = 24;

pub(crate) fn id() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn one_of_few() -> impl Strategy<Value = Uuid> {
    (1..4_u128).prop_map(Uuid::from_u128)
}

pub(crate) fn name() -> impl Strategy<Value = Name> {
    prop_oneof!["[a-z0-9_]{1,4}", "[a-z0-9_]{63}"].prop_map(|text| text.parse().unwrap())
}

fn name_of_few() -> impl Strategy<Value = Name> {
    select(vec!["a", "b", "web"]).prop_map(|text| text.parse().unwrap())
}

pub(crate) fn account_name() -> impl Strategy<Value = AccountName> {
    let parts = prop::collection::vec(prop_oneof![name_of_few(), name()], 2..=9);
    parts.prop_map(|parts| {
        let parts: Vec<_> = parts.iter().map(Name::as_str).collect();
        parts.join(".").parse().unwrap()
    })
}

pub(crate) fn full_name() -> impl Strategy<Value = FullName> {
    (account_name(), name()).prop_map(|(account, name)| account.join(name))
}

/// Text that may pass for a name, a reference or an account, and often doesn't.
pub(crate) fn near_name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9_.*>-]{0,10}",
        "[a-z0-9_]{60,66}",
        "[a-z]{1,2}(\\.[a-z_]{1,2}){0,10}",
        ".{0,6}",
        id().prop_map(|id| id.to_string().to_uppercase()),
        id().prop_map(|id| id.simple().to_string()),
        id().prop_map(|id| id.braced().to_string()),
    ]
}

fn job_id() -> impl Strategy<Value = JobId> {
    one_of_few().prop_map(JobId)
}

fn outcome() -> impl Strategy<Value = Outcome> {
    use Outcome::{Cancelled, Failed, Interrupted, Succeeded};
    select(vec![Cancelled, Failed, Interrupted, Succeeded])
}

fn configuration() -> impl Strategy<Value = Configuration> {
    (one_of_few(), 0..3_u8, 1..4_u64).prop_map(|(data, content, version)| Configuration {
        spec: Spec::default(),
        runtime: DataVersion {
            data: DataId(data),
            version,
            manifest: Digest::of(&[content]),
        },
        mounts: Vec::new(),
    })
}

// === commands ===

macro_rules! commands {
    ($($module:ident: $command:ty = $strategy:expr;)+) => {$(
        pub(crate) mod $module {
            use super::*;

            pub(crate) fn commands() -> impl Strategy<Value = Vec<$command>> {
                prop::collection::vec($strategy, 0..MOST_COMMANDS)
            }
        }
    )+};
}

commands! {
    account: eai_core::account::Command = {
        use eai_core::account::{Command, Created, MonitorAdded, MonitorRevoked, TokensRevoked, UserAdded};
        use eai_core::ids::{AccountId, MonitorId, OrganizationId, UserId};
        prop_oneof![
            1 => (one_of_few(), account_name()).prop_map(|(id, full_name)| Command::Create(Created {
                id: AccountId(id),
                full_name,
                organization_id: OrganizationId(id),
            })),
            3 => (one_of_few(), name_of_few()).prop_map(|(id, name)| Command::AddUser(UserAdded { id: UserId(id), name })),
            1 => (one_of_few(), 0..3_i64).prop_map(|(id, before)| Command::RevokeTokens(TokensRevoked { user: UserId(id), before })),
            2 => (one_of_few(), name_of_few()).prop_map(|(id, name)| Command::AddMonitor(MonitorAdded { id: MonitorId(id), name, key: "U".repeat(56) })),
            1 => one_of_few().prop_map(|id| Command::RevokeMonitor(MonitorRevoked { id: MonitorId(id) })),
        ]
    };
    data: eai_core::data::Command = {
        use eai_core::data::{Command, Created, Push};
        use eai_core::digest::Digest;
        use eai_core::ids::DataId;
        let create = (one_of_few(), name_of_few()).prop_map(|(id, name)| Command::Create(Created { id: DataId(id), name }));
        let push = (0..6_u64, 0..4_u8, any::<u32>(), any::<u32>()).prop_map(|(base, content, files, bytes)| {
            Command::Push(Push { base, manifest: Digest::of(&[content]), files: files.into(), bytes: bytes.into() })
        });
        prop_oneof![1 => create, 4 => push]
    };
    name: eai_core::name::Command = {
        use eai_core::name::{Command, Released, Reserved};
        prop_oneof![
            one_of_few().prop_map(|holder| Command::Reserve(Reserved {
                kind: "service".into(),
                full_name: "snow.testacc.web".parse().unwrap(),
                holder,
            })),
            one_of_few().prop_map(|holder| Command::Release(Released { holder })),
        ]
    };
    role: eai_core::role::Command = {
        use eai_core::digest::Digest;
        use eai_core::ids::{KeyId, RoleId, UserId};
        use eai_core::role::{Command, Created, KeyAdded, KeyRevoked, MemberAdded, MemberRemoved, PolicyAdded, PolicyRemoved};
        let policy = "(\\*|[a-z]{1,5}):(\\*|[a-z]{1,5})@[A-Za-z0-9_.:*-]{1,20}".prop_map(|text| text.parse().unwrap());
        let few = || select(vec!["job:get@*", "data:read@snow.testacc.web"]).prop_map(|text| text.parse().unwrap());
        prop_oneof![
            1 => (one_of_few(), name_of_few(), prop::collection::vec(policy, 0..3))
                .prop_map(|(id, name, policies)| Command::Create(Created { id: RoleId(id), name, policies })),
            3 => one_of_few().prop_map(|user| Command::AddMember(MemberAdded { user: UserId(user) })),
            1 => one_of_few().prop_map(|user| Command::RemoveMember(MemberRemoved { user: UserId(user) })),
            2 => few().prop_map(|policy| Command::AddPolicy(PolicyAdded { policy })),
            1 => few().prop_map(|policy| Command::RemovePolicy(PolicyRemoved { policy })),
            2 => one_of_few().prop_map(|id| Command::AddKey(KeyAdded { id: KeyId(id), hash: Digest::of(id.as_bytes()) })),
            1 => one_of_few().prop_map(|id| Command::RevokeKey(KeyRevoked { id: KeyId(id) })),
        ]
    };
    service: eai_core::service::Command = {
        use eai_core::ids::{RoleId, ServiceId};
        use eai_core::service::{
            Activated, Change, Command, Created, Drained, Draining, Ending, GaveUp, JobEnded, Queue, Quiet, Resource, Status,
            Stopped, Switched, Terms,
        };
        // No service is made deactivated: `service new` makes it on, or off where it works a queue.
        let create = (one_of_few(), full_name(), prop::option::of(1..3_u32)).prop_map(|(id, full_name, workers)| {
            Command::Create(Created {
                id: ServiceId(id),
                name: full_name.name.clone(),
                runtime: Resource { id: DataId(id), full_name: full_name.clone() },
                role: Resource { id: RoleId(id), full_name },
                status: if workers.is_some() { Status::Off } else { Status::On },
                public: false,
                queue: workers.map(Queue::of),
                terms: Terms::default(),
            })
        });
        let stop = |keep_workers| Command::StopWorkers(Stopped { keep_workers, timeout_ms: Some(5) });
        let others = select(vec![
            Command::Start, Command::Stop, Command::Deactivate, Command::Reactivate,
            stop(false), stop(true), Command::Delete, Command::Scale { workers: 1 }, Command::Scale { workers: 2 },
        ]);
        let revise = configuration().prop_map(|configuration| Command::Revise(Box::new(configuration)));
        let activate = (job_id(), 0..3_u32, 1..3_u32, configuration(), prop::option::of(0..3_u32)).prop_map(|(job, run, revision, configuration, worker)| {
            Command::Activate(Activated { job, run, revision, key: configuration.key(), worker, by_itself: false, replica: false })
        });
        let switch = (job_id(), 0..3_u32).prop_map(|(job, run)| {
            Command::Switch(Switched { job, run, revision: None, drain_ms: Some(5) })
        });
        let drain = (job_id(), 0..3_u32).prop_map(|(job, run)| Command::Drain(Draining { job, run, drain_ms: 5 }));
        let drained = (job_id(), 0..3_u32).prop_map(|(job, run)| Command::Drained(Drained { job, run, cut: 1 }));
        let restart = (0..4_u32).prop_map(|after| Command::Restart { after });
        let rollout = prop_oneof![drain, drained, restart];
        let ending = |state| (state == Outcome::Failed).then(|| Ending::new(moment(0), false, "exit", "code 1"));
        let end = (job_id(), 0..3_u32, outcome()).prop_map(move |(job, run, state)| {
            Command::EndJob(JobEnded { job, run, state, failed_revision: None, ending: ending(state) })
        });
        let configure = (select(vec![None, Some(0), Some(5_000)]), prop::option::of(0..3_u32))
            .prop_map(|(idle_timeout_ms, min_ready)| Command::Configure(Change { idle_timeout_ms, min_ready, ..Change::default() }));
        let traffic = prop_oneof![Just(Command::Busy), (0..5_i64).prop_map(|second| Command::Quiet(Quiet { since: moment(second) }))];
        let give_up = (1..3_u32).prop_map(|failures| Command::GiveUp(GaveUp { failures, reason: "exit".into(), message: "code 1".into() }));
        let keeping = prop_oneof![1 => configure, 2 => traffic, 2 => give_up];
        prop_oneof![2 => create, 5 => others, 2 => revise, 6 => activate, 2 => switch, 4 => end, 3 => rollout, 5 => keeping]
    };
    job: eai_core::job::Command = {
        use eai_core::job::{
            Claimed, Command, Ended, Endpoint, Frozen, Phases, Ready, Started, Submitted, Thawed, Unready,
        };
        use eai_core::ids::{AccountId, ExecutorId};
        let submit = (job_id(), configuration()).prop_map(|(id, configuration)| Command::Submit(Submitted {
            id,
            name: None,
            service: None,
            configuration: Box::new(configuration),
            account_id: AccountId(Uuid::from_u128(1)),
            user: None,
        }));
        let run = || (0..3_u32, 1..4_u32);
        prop_oneof![
            2 => submit,
            4 => run().prop_map(|(run, claim)| Command::Claim(Claimed {
                run, claim, executor: ExecutorId(Uuid::from_u128(1)), epoch: 1,
            })),
            4 => run().prop_map(|(run, claim)| Command::Start(Started {
                run, claim, backend: "process".into(), endpoint: Endpoint::Unix(Path::new("/x").into()), limits: "rlimit".into(),
                network: "none".into(), image: Some("team/web:1".into()), image_ignored: false,
            })),
            3 => run().prop_map(|(run, claim)| Command::Ready(Ready { run, claim, phases: Phases::default() })),
            2 => (run(), select(vec!["refused", "slow"]))
                .prop_map(|((run, claim), reason)| Command::Unready(Unready { run, claim, reason: reason.into() })),
            3 => (run(), select(vec!["asked", "idle"]))
                .prop_map(|((run, claim), reason)| Command::Freeze(Frozen { run, claim, reason: reason.into() })),
            2 => run().prop_map(|(run, claim)| Command::Thaw(Thawed { run, claim })),
            2 => (0..3_u32).prop_map(|run| Command::Cancel { run, reason: "killed".into() }),
            1 => (0..3_u32).prop_map(|run| Command::Drain { run, reason: "service-stopped".into(), drain_ms: 5 }),
            3 => (0..3_u32, prop::option::of(1..4_u32), outcome()).prop_map(|(run, claim, state)| Command::End(Ended {
                run, claim, state, reason: "exit".into(), message: String::new(), exit_code: Some(1), signal: None,
            })),
            3 => (0..4_u32).prop_map(|run| Command::Retry { run }),
        ]
    };
    executor: eai_core::executor::Command = {
        use eai_core::executor::{Command, Run, Started};
        use eai_core::ids::ExecutorId;
        let runs = || prop::collection::vec((job_id(), 0..3_u32).prop_map(|(job, run)| Run { job, run, claim: 1 }), 0..3);
        prop_oneof![
            (1..6_u32, runs(), runs()).prop_map(|(epoch, adopted, lost)| Command::Start(Started {
                id: ExecutorId(Uuid::from_u128(1)), epoch, backend: "process".into(), cpu_milli: 1000, mem_mib: 1024,
                adopted, lost,
            })),
            (1..6_u32).prop_map(|epoch| Command::Stop { epoch }),
        ]
    };
    task: eai_core::task::Command = {
        use eai_core::ids::{ServiceId, TaskId};
        use eai_core::service::Resource;
        use eai_core::task::{
            AttemptFailed, Backoff, Claim, Command, Content, Done, Failure, Json, Submitted,
        };
        let inline = |text: &str| Content::Inline(Json::parse(text).unwrap());
        let submit = (0..3_u32, any::<bool>(), select(vec!["1", "[ ]"])).prop_map(move |(retries, keyed, payload)| {
            Command::Submit(Box::new(Submitted {
                id: TaskId(Uuid::from_u128(1)),
                service: Resource { id: ServiceId(Uuid::from_u128(2)), full_name: "snow.testacc.q".parse().unwrap() },
                batch: None,
                name: "a".into(),
                worker: None,
                worker_idx: None,
                priority: 0,
                not_before: None,
                retries,
                backoff: Backoff::default(),
                timeout_ms: None,
                key: keyed.then(|| "k".into()),
                payload: inline(payload),
            }))
        });
        let claim = Claim {
            worker: "q:0".into(),
            worker_idx: 0,
            incarnation: "0".repeat(32),
            job: JobId(Uuid::from_u128(3)),
            claimed_at: OffsetDateTime::UNIX_EPOCH,
        };
        let failure = |claim: Claim| (1..5_u32).prop_map(move |attempt| Failure {
            attempt,
            claim: claim.clone(),
            finished_at: OffsetDateTime::UNIX_EPOCH,
            runtime_us: 1,
            error: "no".into(),
            traceback: None,
            recovery: None,
            logs: None,
        });
        prop_oneof![
            3 => submit,
            3 => failure(claim.clone()).prop_map(Command::Fail),
            5 => failure(claim.clone()).prop_map(|failure| Command::FailAttempt(AttemptFailed {
                failure,
                retry_at: OffsetDateTime::UNIX_EPOCH,
            })),
            1 => (1..5_u32).prop_map(move |attempt| Command::Finish(Done {
                attempt,
                claim: claim.clone(),
                finished_at: OffsetDateTime::UNIX_EPOCH,
                runtime_us: 1,
                result: inline("null"),
                logs: None,
            })),
            1 => Just(Command::Cancel),
            2 => Just(Command::Requeue),
        ]
    };
}

// === envelopes ===

/// An envelope with its payload.
#[derive(Clone, Debug)]
pub(crate) struct OwnedEnvelope {
    texts: [String; 5],
    ids: [Uuid; 4],
    optional: (bool, Option<String>),
    time: OffsetDateTime,
    data: Box<RawValue>,
}

impl OwnedEnvelope {
    pub(crate) fn borrow(&self) -> Envelope<'_> {
        let [kind, subject, account, actor, source] = &self.texts;
        let [id, command, correlation, causation] = self.ids;
        Envelope {
            specversion: "1.0".into(),
            id: EventId(id),
            source: source.into(),
            r#type: kind.into(),
            subject: subject.into(),
            time: self.time,
            datacontenttype: "application/json".into(),
            dataschema: eai_core::envelope::schema_urn(kind).into(),
            account: account.into(),
            actor: actor.into(),
            commandid: CommandId(command),
            correlationid: correlation,
            causationid: self.optional.0.then_some(EventId(causation)),
            traceparent: self.optional.1.as_deref().map(Into::into),
            prevhash: Digest::of(kind.as_bytes()),
            data: &self.data,
        }
    }
}

pub(crate) fn envelope() -> impl Strategy<Value = OwnedEnvelope> {
    // From year 0 to 9999, to the nanosecond: what RFC 3339 can write.
    let time = (-62_167_219_200_i64..=253_402_300_799, 0..1_000_000_000_u32).prop_map(
        |(second, nanosecond)| {
            OffsetDateTime::from_unix_timestamp(second)
                .unwrap()
                .replace_nanosecond(nanosecond)
                .unwrap()
        },
    );
    let texts = [text(), text(), text(), text(), text()];
    let ids = [id(), id(), id(), id()];
    (
        texts,
        ids,
        any::<bool>(),
        prop::option::of(text()),
        time,
        raw_json(),
    )
        .prop_map(
            |(texts, ids, causation, traceparent, time, data)| OwnedEnvelope {
                texts,
                ids,
                optional: (causation, traceparent),
                time,
                data,
            },
        )
}

/// Any text, often with what JSON and YAML escape.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,12}",
        prop::collection::vec(any::<char>(), 0..8).prop_map(String::from_iter),
        prop::collection::vec(
            select(vec![
                '"', '\\', '\n', '\r', '\t', '\u{1}', '\u{7f}', '\u{85}', '\u{2028}', '\u{feff}',
                '😀', '/', ' ', '#', ':', '-', 'a'
            ]),
            0..12
        )
        .prop_map(String::from_iter),
    ]
}

/// Any JSON, as text: with white space between, and escapes that a writer would not choose.
fn raw_json() -> impl Strategy<Value = Box<RawValue>> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    let value = scalar.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..4)
                .prop_map(|map| Value::Object(Map::from_iter(map))),
        ]
    });
    let strange = select(vec![
        r#"{ "a" : [ 1.50e+3 , "\u00fc\/" ] }"#,
        "{\n\t\"a\": {}\n}",
        "123456789012345678901234567890",
    ]);
    prop_oneof![
        4 => (value, any::<bool>()).prop_map(|(value, pretty)| {
            if pretty { format!("{value:#}") } else { value.to_string() }
        }),
        1 => strange.prop_map(Into::into),
    ]
    .prop_map(|json| RawValue::from_string(json).unwrap())
}

fn moment(second: i64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(second)
}
