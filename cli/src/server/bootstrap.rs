//! The first start's commands: organization, account, admin user and role.
//!
//! Their ids come from the platform's, so running them at every start completes a first start that
//! broke off, and changes nothing otherwise.

use eai_core::account::{self, AccountAggregate};
use eai_core::command::{AnyPart, Context, Part};
use eai_core::envelope::Actor;
use eai_core::ids::{AccountId, OrganizationId, RoleId, UserId};
use eai_core::log::Log;
use eai_core::name;
use eai_core::names::{AccountName, Name};
use eai_core::role::{self, RoleAggregate};
use time::OffsetDateTime;

use super::Error;
use super::data_dir::DataDir;

/// The first user's name.
const ADMIN: &str = "admin";

/// The id of the first user.
pub(crate) fn admin(data: &DataDir) -> UserId {
    UserId(data.first_command(0).aggregate(2))
}

/// Makes what a platform begins with, as far as it is not there; the log has it up to the answer.
pub(crate) async fn found(log: &Log, data: &DataDir) -> Result<u64, Error> {
    let account = data.account();
    let command = data.first_command(0);
    let (account_id, organization) = (
        AccountId(command.aggregate(0)),
        OrganizationId(command.aggregate(1)),
    );
    let (admin, role) = (admin(data), RoleId(command.aggregate(3)));
    let name: Name = ADMIN.parse()?;
    let policy = format!("*:*@{account}.*")
        .parse()
        .map_err(|error: role::BadPolicy| Error::Log {
            step: "make the admin role",
            source: eai_core::aggregate::Refusal::internal(error.to_string()).into(),
        })?;
    let steps: [(&'static str, Vec<Box<dyn AnyPart>>); 4] = [
        (
            "make the account",
            make_account(account, account_id, organization),
        ),
        ("make the admin user", {
            let user = account::UserAdded {
                id: admin,
                name: name.clone(),
            };
            let command = account::Command::AddUser(user);
            vec![Part::<AccountAggregate>::on(account.clone(), account_id, command).boxed()]
        }),
        (
            "make the admin role",
            role::create(role, &account.join(name), vec![policy]),
        ),
        ("give the admin its role", {
            let command = role::Command::AddMember(role::MemberAdded { user: admin });
            vec![Part::<RoleAggregate>::on(account.clone(), role, command).boxed()]
        }),
    ];
    let mut sequence = 0;
    for (index, (step, parts)) in (0..).zip(steps) {
        let id = data.first_command(index);
        let context = Context::user(id, Actor::Platform, OffsetDateTime::now_utc());
        let outcome = log
            .execute(&context, &parts)
            .await
            .map_err(|source| Error::Log { step, source })?;
        sequence = outcome.sequence.max(sequence);
    }
    Ok(sequence)
}

fn make_account(
    full_name: &AccountName,
    id: AccountId,
    organization_id: OrganizationId,
) -> Vec<Box<dyn AnyPart>> {
    let created = account::Created {
        id,
        full_name: full_name.clone(),
        organization_id,
    };
    vec![
        name::reserve_account(full_name, id.0),
        Part::<AccountAggregate>::new(full_name.clone(), id, account::Command::Create(created))
            .boxed(),
    ]
}
