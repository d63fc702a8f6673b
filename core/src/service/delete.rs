//! The end of a service: its name is free for another one, and everything that happened stays in the log.

use super::{Command, Event, Service, ServiceAggregate};
use crate::aggregate::Refusal;
use crate::command::{AnyPart, Part};
use crate::name;
use crate::names::AccountName;

/// The parts that take a service away. Its runtime and its role stay: other services may use them.
pub fn delete(account: &AccountName, service: &Service) -> Vec<Box<dyn AnyPart>> {
    let id = service.created.id;
    let full_name = account.join(service.created.name.clone());
    vec![
        name::release("service", &full_name, id.0),
        Part::<ServiceAggregate>::on(account.clone(), id, Command::Delete).boxed(),
    ]
}

impl Service {
    /// Nothing can be asked of one that is no more, but to hear of the end of what it ran.
    pub(super) fn decide_deleted(&self, command: &Command) -> Result<Vec<Event>, Refusal> {
        match command {
            Command::Create(_) => Err(Refusal::exists("service")),
            Command::EndJob(ended) => Ok(self.end_job(ended)),
            Command::Delete | Command::Drained(_) => Ok(vec![]),
            _ => Err(Refusal::not_found(format!(
                "service `{}` was deleted",
                self.created.name
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::testing::{fold, when};
    use crate::service::tests::created;
    use crate::service::{Deleted, Status};

    #[test]
    fn a_deleted_service_is_no_more() {
        let given = [created(), Event::Deleted(Deleted {})];
        for command in [Command::Start, Command::Stop, Command::Reactivate] {
            let refused = when::<ServiceAggregate>(&given, &command).unwrap_err();
            assert_eq!(refused.code, "not-found", "{command:?}");
        }
        let again = when::<ServiceAggregate>(&given, &Command::Delete);
        assert_eq!(again, Ok(vec![]));
    }

    #[test]
    fn it_gives_its_name_back() {
        let service = fold::<ServiceAggregate>(&[created()]).unwrap();
        let parts = delete(&"snow.testacc".parse().unwrap(), &service);
        let effects = parts
            .iter()
            .map(|part| format!("{} {}", part.address().kind(), part.effect()));
        let effects: Vec<_> = effects.collect();
        assert_eq!(effects, ["name released", "service deleted"]);
        assert_eq!(service.status, Status::On);
    }
}
