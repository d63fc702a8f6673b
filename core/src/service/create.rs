//! `service new`: one command over the service, its name, and the runtime and role that come with it.

use super::{Command, Created, Queue, Resource, ServiceAggregate, Status, Terms};
use crate::aggregate::Refusal;
use crate::command::{AnyPart, Part};
use crate::ids::{CommandId, DataId, RoleId, ServiceId};
use crate::names::{FullName, Name};
use crate::role::Policy;
use crate::{data, name, role};

/// A service to be made.
#[derive(Clone, Debug)]
pub struct New {
    /// Its name, with the account.
    pub full_name: FullName,
    /// Its runtime.
    pub runtime: Owned<DataId>,
    /// Its role.
    pub role: Owned<RoleId>,
    /// Whether its URL takes requests without a token.
    pub public: bool,
    /// Its queue; absent where its front end is a URL.
    pub queue: Option<Queue>,
    /// On what terms it keeps its job, where its front end is a URL.
    pub terms: Terms,
}

/// Whether a resource is made along with the service, or there already.
#[derive(Clone, Debug)]
pub enum Owned<Id> {
    /// Made with it, and named after it.
    Made,
    /// There already.
    Existing(Resource<Id>),
}

/// The parts of the command, stored together or not at all; the service itself comes last.
pub fn create(command: CommandId, new: New) -> Result<Vec<Box<dyn AnyPart>>, Refusal> {
    let New {
        full_name,
        runtime,
        role,
        public,
        queue,
        terms,
    } = new;
    terms.check()?;
    if queue.is_some() && !terms.replicas.is_usual() {
        return Err(Refusal::invalid(
            "bad-terms",
            "a queue has workers, and no replicas: `--workers` says how many",
        ));
    }
    if queue.is_some() && !terms.is_usual() {
        return Err(Refusal::invalid(
            "bad-terms",
            "a queue keeps workers on terms of its own: `idleTimeoutMs` is part of its `queue`",
        ));
    }
    queue.as_ref().map_or(Ok(()), Queue::check)?;
    let id = ServiceId(command.aggregate(0));
    let mut parts = vec![name::reserve("service", &full_name, id.0)];
    let runtime = match runtime {
        Owned::Existing(runtime) => runtime,
        Owned::Made => {
            let runtime = Resource {
                id: DataId(command.aggregate(1)),
                full_name: belonging(&full_name, "_runtime")?,
            };
            parts.extend(data::create(runtime.id, &runtime.full_name));
            runtime
        }
    };
    let role = match role {
        Owned::Existing(role) => role,
        Owned::Made => {
            let role = Resource {
                id: RoleId(command.aggregate(2)),
                full_name: belonging(&full_name, "_role")?,
            };
            // What a job of the service needs at least: to read what it runs.
            let policy: Policy = format!("data:read@{}", runtime.full_name)
                .parse()
                .map_err(|error: role::BadPolicy| Refusal::internal(error.to_string()))?;
            parts.extend(role::create(role.id, &role.full_name, vec![policy]));
            role
        }
    };
    let FullName { account, name } = full_name;
    let created = Created {
        id,
        name,
        runtime,
        role,
        // Workers cost something from the moment they start: so that is asked for.
        status: if queue.is_some() {
            Status::Off
        } else {
            Status::On
        },
        public,
        queue,
        terms,
    };
    parts.push(Part::<ServiceAggregate>::new(account, id, Command::Create(created)).boxed());
    Ok(parts)
}

fn belonging(full_name: &FullName, suffix: &str) -> Result<FullName, Refusal> {
    let too_long = |_| Refusal {
        kind: crate::aggregate::RefusalKind::Invalid,
        code: "bad-name",
        message: format!(
            "the service name `{}` is too long: its data and role are named after it (`{}{suffix}`), \
             so it may have {} characters",
            full_name.name,
            full_name.name,
            crate::names::MAX_LENGTH - "_runtime".len()
        ),
    };
    let name: Name = full_name.name.with_suffix(suffix).map_err(too_long)?;
    Ok(full_name.account.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn new(name: &str) -> New {
        let full_name = format!("snow.testacc.{name}").parse().unwrap();
        New {
            full_name,
            runtime: Owned::Made,
            role: Owned::Made,
            public: false,
            queue: None,
            terms: Terms::default(),
        }
    }

    fn addresses(new: New) -> Vec<String> {
        let parts = create(CommandId(Uuid::from_u128(1)), new).unwrap();
        parts
            .iter()
            .map(|part| part.address().to_string())
            .collect()
    }

    #[test]
    fn a_service_brings_its_runtime_and_role() {
        let of = |index| CommandId(Uuid::from_u128(1)).aggregate(index);
        assert_eq!(
            addresses(new("web")),
            [
                "name/service-web".to_owned(),
                "name/data-web_runtime".to_owned(),
                format!("data/{}", of(1)),
                "name/role-web_role".to_owned(),
                format!("role/{}", of(2)),
                format!("service/{}", of(0)),
            ]
        );
    }

    #[test]
    fn a_runtime_that_is_there_is_only_referred_to() {
        let full_name = "snow.testacc.files".parse().unwrap();
        let runtime = Owned::Existing(Resource {
            id: DataId(Uuid::from_u128(9)),
            full_name,
        });
        let addresses = addresses(New {
            runtime,
            ..new("web")
        });
        assert!(
            !addresses.iter().any(|address| address.starts_with("data/")),
            "{addresses:?}"
        );
        assert_eq!(addresses.len(), 4);
    }

    #[test]
    fn a_name_leaves_room_for_what_is_named_after_it() {
        let command = CommandId(Uuid::from_u128(1));
        assert!(create(command, new(&"x".repeat(55))).is_ok());
        assert_eq!(
            create(command, new(&"x".repeat(56))).unwrap_err().code,
            "bad-name"
        );
    }
}
