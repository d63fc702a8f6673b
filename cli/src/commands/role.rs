//! `eai role`, and `eai service role`: the same verbs on the role of a service.

use serde_json::{Value, json};

use super::resource::{Kind, qualified};
use super::service::SERVICE;
use crate::args::{
    AtArgs, FormatArg, HolderArgs, KeyVerb, MemberVerb, NewRole, OutputArgs, PolicyArgs,
    PolicyVerb, RefsArgs, RoleVerb, ServiceRoleVerb,
};
use crate::client::{Call, Client};
use crate::error::{Error, ExitStatus};
use crate::output::{Printer, Row, RowWriter};

const ROLE: Kind = Kind {
    path: "role",
    columns: &["id", "name", "fullName", "account", "policies"],
};
/// What a key is, once it was shown.
const KEY: &[&str] = &["id", "state", "createdOn", "createdBy", "revokedOn"];
/// A key that was just made.
const NEW_KEY: &[&str] = &["id", "key"];

/// What a reference means.
#[derive(Clone, Copy)]
enum Whose {
    /// The role itself.
    Role,
    /// The service that has it.
    Service,
}

pub(super) async fn run(
    verb: RoleVerb,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    match verb {
        RoleVerb::New(args) => new(args, client, printer).await,
        RoleVerb::Ls(args) => ROLE.list(args, client, printer).await,
        RoleVerb::Get(args) => ROLE.get(args.refs, args.at, client, printer).await,
        RoleVerb::Policy(verb) => policy(Whose::Role, verb, client, printer).await,
        RoleVerb::Key(verb) => key(Whose::Role, verb, client, printer).await,
        RoleVerb::Member(verb) => member(Whose::Role, verb, client, printer).await,
    }
}

pub(super) async fn of_service(
    verb: ServiceRoleVerb,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    match verb {
        ServiceRoleVerb::Get(args) => {
            let mut refs = Vec::new();
            for service in &args.refs {
                refs.push(role_of(Whose::Service, service, client).await?);
            }
            let args = RefsArgs { refs, ..args };
            ROLE.get(args, AtArgs::default(), client, printer).await
        }
        ServiceRoleVerb::Policy(verb) => policy(Whose::Service, verb, client, printer).await,
        ServiceRoleVerb::Key(verb) => key(Whose::Service, verb, client, printer).await,
        ServiceRoleVerb::Member(verb) => member(Whose::Service, verb, client, printer).await,
    }
}

/// The role that is meant.
async fn role_of(whose: Whose, reference: &str, client: &mut Client) -> Result<String, Error> {
    let reference = qualified(reference, client.account());
    match whose {
        Whose::Role => Ok(reference),
        Whose::Service => {
            let row = client.row(Call::get(&[SERVICE.path, &reference])).await?;
            Ok(row.text("role").unwrap_or_default().to_owned())
        }
    }
}

async fn new(
    args: NewRole,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let mut body = json!({ "policies": args.policies });
    match (args.name.strip_suffix('.'), client.account()) {
        // Any name will do there.
        (Some(account), _) => body["account"] = account.into(),
        (None, account) => {
            body["name"] = args.name.into();
            if let Some(account) = account {
                body["account"] = account.into();
            }
        }
    }
    ROLE.create(body, args.output, client, printer).await
}

async fn policy(
    whose: Whose,
    verb: PolicyVerb,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let (args, path): (PolicyArgs, &[&str]) = match verb {
        PolicyVerb::Ls(args) => {
            return each(whose, args, ("policies", "policy"), client, printer).await;
        }
        PolicyVerb::Add(args) => (args, &["policy"]),
        PolicyVerb::Rm(args) => (args, &["policy", "remove"]),
    };
    let role = role_of(whose, &args.reference, client).await?;
    let mut policies = args.policies;
    let resource = args.resource.unwrap_or_default();
    let joined = args
        .action
        .iter()
        .map(|action| format!("{action}@{resource}"));
    policies.extend(joined);
    let bodies = policies.iter().map(|policy| json!({ "policy": policy }));
    change(&role, path, bodies, args.output, client, printer).await
}

async fn key(
    whose: Whose,
    verb: KeyVerb,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    match verb {
        KeyVerb::New(args) => {
            let role = role_of(whose, &args.reference, client).await?;
            let call = Call::command(&[ROLE.path, &role, "key"], 0);
            let row = client.row(call).await?;
            print(&[row], NEW_KEY, args.output, printer)
        }
        KeyVerb::Ls(args) => {
            let role = role_of(whose, &args.reference, client).await?;
            let rows = client.rows(&[ROLE.path, &role, "key"], &[], None).await?;
            print(&rows, KEY, args.output, printer)
        }
        KeyVerb::Revoke(args) => {
            let role = role_of(whose, &args.reference, client).await?;
            let bodies = args.keys.iter().map(|key| json!({ "key": key }));
            let path = &["key", "revoke"];
            change(&role, path, bodies, args.output, client, printer).await
        }
    }
}

async fn member(
    whose: Whose,
    verb: MemberVerb,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let (args, path): (_, &[&str]) = match verb {
        MemberVerb::Ls(args) => {
            return each(whose, args, ("members", "user"), client, printer).await;
        }
        MemberVerb::Add(args) => (args, &["member"]),
        MemberVerb::Rm(args) => (args, &["member", "remove"]),
    };
    let role = role_of(whose, &args.reference, client).await?;
    let bodies = args.users.iter().map(|user| json!({ "user": user }));
    change(&role, path, bodies, args.output, client, printer).await
}

/// Gives a role one command after the other, and shows what it is then.
async fn change(
    role: &str,
    path: &[&str],
    bodies: impl Iterator<Item = Value>,
    output: OutputArgs,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let path: Vec<&str> = [ROLE.path, role].iter().chain(path).copied().collect();
    let mut row = None;
    for (nth, body) in (0..).zip(bodies) {
        row = Some(client.row(Call::command(&path, nth).body(body)).await?);
    }
    let rows: Vec<Row> = row.into_iter().collect();
    ROLE.print(&rows, output, printer)
}

/// A row for each entry of a list that a role has.
async fn each(
    whose: Whose,
    args: HolderArgs,
    (field, column): (&str, &'static str),
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let role = role_of(whose, &args.reference, client).await?;
    let row = client.row(Call::get(&[ROLE.path, &role])).await?;
    let list = row.value()[field].as_array().cloned().unwrap_or_default();
    let mut rows = Vec::new();
    for entry in list {
        let text = json!({ column: entry }).to_string();
        let row = Row::parse(&text).map_err(|error| Error::Answer {
            url: client.url().to_owned(),
            reason: error.to_string(),
        })?;
        rows.push(row);
    }
    print(&rows, &[column], args.output, printer)
}

fn print(
    rows: &[Row],
    columns: &[&str],
    output: OutputArgs,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    RowWriter::new(output.view(FormatArg::Table), columns).write(printer, rows)?;
    Ok(ExitStatus::Success)
}
