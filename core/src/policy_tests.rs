use super::*;
use crate::digest::Digest;
use crate::ids::{DataId, RoleId, ServiceId};
use crate::job::configuration;
use crate::service::{Activated, Created, Resource, Revised, Status, Switched, Terms, Traffic};
use uuid::Uuid;

pub(super) fn run(content: &str, job: u128) -> Activated {
    Activated {
        job: JobId(Uuid::from_u128(job)),
        run: 0,
        revision: 1,
        key: key(content),
        worker: None,
        by_itself: false,
        replica: false,
    }
}

fn key(content: &str) -> Digest {
    configuration(content, 1).key()
}

pub(super) fn service(
    desired: &str,
    live: Vec<Activated>,
    serving: Option<u128>,
    tried: bool,
) -> Service {
    let full_name = "snow.testacc.web_runtime";
    Service {
        created: Created {
            id: ServiceId(Uuid::from_u128(1)),
            name: "web".parse().unwrap(),
            runtime: Resource {
                id: DataId(Uuid::from_u128(2)),
                full_name: full_name.parse().unwrap(),
            },
            role: Resource {
                id: RoleId(Uuid::from_u128(3)),
                full_name: full_name.parse().unwrap(),
            },
            status: Status::On,
            public: false,
            queue: None,
            terms: Terms::default(),
        },
        status: Status::On,
        before_deactivation: Status::On,
        desired: Some(Revised {
            revision: 2,
            key: key(desired),
            configuration: Box::new(configuration(desired, 2)),
        }),
        tried,
        live,
        ending: vec![],
        drain_ms: 0,
        health: None,
        queue: None,
        serving: serving.map(|job| Switched {
            job: JobId(Uuid::from_u128(job)),
            run: 0,
            revision: None,
            drain_ms: None,
        }),
        rollout: crate::service::Rollout::default(),
        fleet: crate::service::Fleet::default(),
        reusable: vec![],
        terms: Terms::default(),
        traffic: Traffic::Never,
        failing: None,
        gave_up: None,
        dead_told: 0,
    }
}

pub(super) fn cancel(job: u128, reason: &'static str) -> Intent {
    Intent::Cancel {
        job: JobId(Uuid::from_u128(job)),
        run: 0,
        reason,
    }
}

#[test]
fn a_service_without_traffic_has_no_jobs() {
    for status in [Status::Off, Status::Deactivated] {
        let stopped = Service {
            status,
            ending: vec![run("a", 1), run("b", 2)],
            ..service("a", vec![], None, true)
        };
        let expected = [cancel(1, "service-stopped"), cancel(2, "service-stopped")];
        assert_eq!(on_service(&stopped), expected);
    }
}

#[test]
fn the_workers_of_a_queue_are_not_its_business() {
    let stopped = Service {
        status: Status::Off,
        ending: vec![run("a", 1)],
        queue: Some(crate::service::Queue::of(1)),
        ..service("a", vec![], None, true)
    };
    assert_eq!(
        on_service(&stopped),
        [],
        "one may have a task to be done with"
    );
}

#[test]
fn what_was_stopped_ends_though_the_service_is_on_again() {
    let service = Service {
        ending: vec![run("a", 1)],
        ..service("a", vec![run("a", 2)], Some(2), true)
    };
    assert_eq!(on_service(&service), [cancel(1, "service-stopped")]);
}
