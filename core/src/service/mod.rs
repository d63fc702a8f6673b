//! The aggregate `service`: a long-running entry point that outlives the jobs behind it.

mod activation;
mod command;
mod create;
mod dead;
mod delete;
mod event;
mod keep;
mod queue;
mod recovery;
mod replicas;
mod rollout;
mod state;

pub use activation::{Activation, Job, activate};
pub use command::Command;
pub use create::{New, Owned, create};
pub use dead::{DeadLetter, DeadLettered, MOST_LETTERS};
pub use delete::delete;
pub use event::{
    Activated, Created, Deactivated, Deleted, Drained, Draining, Event, HealthChanged, JobEnded,
    Reactivated, Resource, Restarted, Revised, Scaled, Started, Stopped, Switched,
};
pub use keep::{
    Busy, Change, Configured, IDLE_TIMEOUT, MAX_IDLE_TIMEOUT_MS, MIN_IDLE_TIMEOUT_MS, Quiet, Terms,
    Traffic, silence,
};
pub use queue::{
    HEARTBEAT_TIMEOUT_MS, MAX_TIME_MS, MAX_WORKERS, MIN_HEARTBEAT_TIMEOUT_MS, Queue,
    STOP_TIMEOUT_MS, activate_worker,
};
pub use recovery::{Ending, Failing, GaveUp, RESTART_LIMIT};
pub use replicas::{
    CONCURRENCY, Fleet, Joined, MAX_CONCURRENCY, MAX_REPLICAS, Replicas, Resized, grow,
};
pub use rollout::{Leaving, Rollout};
pub use state::{Service, State, Status};

#[cfg(test)]
pub(crate) use tests::created;

use crate::aggregate::{Aggregate, Refusal};

/// A service.
#[derive(Debug)]
pub struct ServiceAggregate;

impl Aggregate for ServiceAggregate {
    const KIND: &'static str = "service";
    type State = State;
    type Command = Command;
    type Event = Event;

    fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refusal> {
        let service = match (command, state) {
            // Reactivation brings back the status before, so there must be one.
            (Command::Create(created), None) if created.status == Status::Deactivated => {
                return Err(Refusal::conflict("conflict", "a service is made on or off"));
            }
            (Command::Create(created), None) => return Ok(vec![Event::Created(created.clone())]),
            (Command::Create(_), Some(_)) => return Err(Refusal::exists("service")),
            (_, None) => return Err(Refusal::not_found("there is no such service")),
            (_, Some(service)) => service,
        };
        Ok(match (command, service.status) {
            (_, Status::Deleted) => return service.decide_deleted(command),
            (Command::Start, Status::Off) => vec![Event::Started(Started {})],
            (Command::Start, Status::Deactivated) => {
                return Err(Refusal::conflict(
                    "service-deactivated",
                    format!(
                        "service `{}` is deactivated: reactivate it first",
                        service.created.name
                    ),
                ));
            }
            (Command::Start, Status::On) => service.start_again()?,
            (Command::Stop, Status::On) => vec![Event::Stopped(Stopped::default())],
            (Command::Stop, Status::Off) => service.stop_again(&Stopped::default()),
            (Command::StopWorkers(stopped), Status::On) => {
                service.queue()?;
                vec![Event::Stopped(stopped.clone())]
            }
            (Command::StopWorkers(stopped), Status::Off) => service.stop_again(stopped),
            (Command::Scale { workers }, _) => service.scale(*workers)?,
            (Command::ReportHealth(health), _) => service.report_health(health)?,
            (Command::Deactivate, Status::On | Status::Off) => {
                vec![Event::Deactivated(Deactivated {})]
            }
            (Command::Reactivate, Status::Deactivated) => {
                vec![Event::Reactivated(Reactivated {
                    status: service.before_deactivation,
                })]
            }
            (Command::Reactivate, Status::On | Status::Off)
            | (
                Command::Stop | Command::StopWorkers(_) | Command::Deactivate,
                Status::Deactivated,
            )
            | (Command::Create(_), _) => vec![],
            (Command::Revise(configuration), _) => service.revise(configuration),
            (Command::Activate(wanted), _) => return service.decide_activation(wanted),
            (Command::Switch(switched), _) => service.switch(switched)?,
            (Command::Drain(draining), _) => service.drain(draining)?,
            (Command::Drained(drained), _) => service.drained(drained),
            (Command::Join { job, run }, _) => service.join(*job, *run)?,
            (Command::Resize(resized), _) => service.resize(*resized),
            (Command::Restart { after }, _) => service.restart(*after)?,
            (Command::Delete, _) => vec![Event::Deleted(Deleted {})],
            (Command::EndJob(ended), _) => service.end_job(ended),
            (Command::Configure(change), _) => service.configure(*change)?,
            (Command::Quiet(quiet), _) => service.say_quiet(quiet),
            (Command::Busy, _) => service.say_busy(),
            (Command::GiveUp(gave_up), _) => service.give_up(gave_up)?,
            (Command::TellDead(letters), _) => service.tell_dead(letters),
        })
    }

    fn evolve(state: State, event: &Event) -> State {
        let set = |state: State, status| {
            state.map(|service| Service {
                status,
                before_deactivation: service.status,
                ..service
            })
        };
        let state = state.map(|service| service.follow_failures(event));
        let state = match event {
            Event::Created(created) => Some(Service::new(created.clone())),
            Event::Started(_) => set(state, Status::On).map(|service| service.follow(event)),
            Event::Stopped(_) => set(state, Status::Off).map(|service| service.follow(event)),
            Event::Deactivated(_) => {
                set(state, Status::Deactivated).map(|service| service.follow(event))
            }
            Event::Deleted(_) => set(state, Status::Deleted).map(|service| service.follow(event)),
            Event::Reactivated(reactivated) => set(state, reactivated.status),
            Event::Revised(_)
            | Event::Activated(_)
            | Event::Switched(_)
            | Event::Draining(_)
            | Event::Drained(_)
            | Event::Joined(_)
            | Event::Restarted(_)
            | Event::JobEnded(_)
            | Event::Scaled(_)
            | Event::HealthChanged(_) => state.map(|service| service.follow(event)),
            Event::DeadLettered(_) => state.map(|service| service.follow_dead(event)),
            Event::Resized(_)
            | Event::Configured(_)
            | Event::Quiet(_)
            | Event::Busy(_)
            | Event::GaveUp(_) => state,
        };
        state.map(|service| service.follow_replicas(event).follow_traffic(event))
    }

    fn effect(command: &Command) -> &'static str {
        match command {
            Command::Create(_) => "created",
            Command::Start => "started",
            Command::Stop | Command::StopWorkers(_) => "stopped",
            Command::Scale { .. } => "scaled",
            Command::ReportHealth(_) => "health_changed",
            Command::Deactivate => "deactivated",
            Command::Reactivate => "reactivated",
            Command::Revise(_) => "revised",
            Command::Activate(_) => "activated",
            Command::Switch(_) => "switched",
            Command::Drain(_) => "draining",
            Command::Drained(_) => "drained",
            Command::Join { .. } => "joined",
            Command::Resize(_) => "resized",
            Command::Restart { .. } => "restarted",
            Command::Delete => "deleted",
            Command::EndJob(_) => "job_ended",
            Command::Configure(_) => "configured",
            Command::Quiet(_) => "quiet",
            Command::Busy => "busy",
            Command::GiveUp(_) => "gave_up",
            Command::TellDead(_) => "dead_lettered",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::testing::when;
    use crate::ids::{DataId, RoleId, ServiceId};
    use uuid::Uuid;

    pub(crate) fn created() -> Event {
        Event::Created(Created {
            id: ServiceId(Uuid::from_u128(1)),
            name: "web".parse().unwrap(),
            runtime: Resource {
                id: DataId(Uuid::from_u128(2)),
                full_name: "snow.testacc.web_runtime".parse().unwrap(),
            },
            role: Resource {
                id: RoleId(Uuid::from_u128(3)),
                full_name: "snow.testacc.web_role".parse().unwrap(),
            },
            status: Status::On,
            public: false,
            queue: None,
            terms: Terms::default(),
        })
    }

    fn stopped() -> Event {
        Event::Stopped(Stopped::default())
    }

    fn deactivated() -> Event {
        Event::Deactivated(Deactivated {})
    }

    #[track_caller]
    fn decide(given: &[Event], command: &Command) -> Result<Vec<Event>, Refusal> {
        when::<ServiceAggregate>(given, command)
    }

    #[test]
    fn a_service_is_made_once() {
        let Event::Created(payload) = created() else {
            unreachable!()
        };
        let create = Command::Create(payload);
        assert_eq!(decide(&[], &create), Ok(vec![created()]));
        assert_eq!(decide(&[created()], &create).unwrap_err().code, "conflict");
    }

    #[test]
    fn a_service_is_not_made_deactivated() {
        let Event::Created(payload) = created() else {
            unreachable!()
        };
        let create = Command::Create(Created {
            status: Status::Deactivated,
            ..payload
        });
        assert_eq!(decide(&[], &create).unwrap_err().code, "conflict");
    }

    #[test]
    fn nothing_can_be_asked_of_a_service_that_is_not_there() {
        for command in [
            Command::Start,
            Command::Stop,
            Command::Deactivate,
            Command::Reactivate,
        ] {
            assert_eq!(
                decide(&[], &command).unwrap_err().code,
                "not-found",
                "{command:?}"
            );
        }
    }

    #[test]
    fn a_service_that_is_on_can_be_stopped_and_started_again() {
        assert_eq!(
            decide(&[created()], &Command::Start),
            Ok(vec![]),
            "it is on from the start"
        );
        assert_eq!(decide(&[created()], &Command::Stop), Ok(vec![stopped()]));
        let off = [created(), stopped()];
        assert_eq!(decide(&off, &Command::Stop), Ok(vec![]));
        assert_eq!(
            decide(&off, &Command::Start),
            Ok(vec![Event::Started(Started {})])
        );
    }

    #[test]
    fn a_deactivated_service_only_reactivates() {
        let given = [created(), deactivated()];
        assert_eq!(
            decide(&given, &Command::Start).unwrap_err().code,
            "service-deactivated"
        );
        assert_eq!(
            decide(&given, &Command::Stop),
            Ok(vec![]),
            "it does not run anyway"
        );
        assert_eq!(decide(&given, &Command::Deactivate), Ok(vec![]));
    }

    #[test]
    fn reactivation_brings_back_the_status_before() {
        let back = |given: &[Event]| decide(given, &Command::Reactivate);
        let reactivated = |status| Ok(vec![Event::Reactivated(Reactivated { status })]);
        assert_eq!(back(&[created(), deactivated()]), reactivated(Status::On));
        assert_eq!(
            back(&[created(), stopped(), deactivated()]),
            reactivated(Status::Off)
        );
        assert_eq!(back(&[created()]), Ok(vec![]), "it was not deactivated");
    }
}
