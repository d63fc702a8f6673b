//! `eai user`, and who the others mean by "mine".

use serde_json::{Map, Value};

use super::resource::Kind;
use crate::args::{AtArgs, FormatArg, NewUser, UserPolicyVerb, UserVerb};
use crate::client::{Call, Client};
use crate::error::{Error, ExitStatus};
use crate::output::{Printer, Row, RowWriter};

const USER: Kind = Kind {
    path: "user",
    columns: &["id", "name", "account", "organization"],
};
/// With the token, which is shown once.
const NEW: Kind = Kind {
    path: "user",
    columns: &["id", "name", "account", "refreshToken"],
};
const ME: &str = "me";

pub(super) async fn run(
    verb: UserVerb,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    match verb {
        UserVerb::Get(args) => {
            let me = me(client).await?;
            let Some(reference) = args.reference else {
                return USER.print(&[me], args.output, printer);
            };
            let mine = |field: &&str| me.text(field) == Some(&reference);
            if ["id", "name", "urn"].iter().any(mine) {
                return USER.print(&[me], args.output, printer);
            }
            USER.get_one(&reference, AtArgs::default(), args.output, client, printer)
                .await
        }
        UserVerb::Ls(args) => USER.list(args, client, printer).await,
        UserVerb::New(args) => new(args, client, printer).await,
        UserVerb::Token(args) => {
            let call = Call::command(&[USER.path, &args.reference, "token"], 0);
            let row = client.row(call).await?;
            NEW.print(&[row], args.output, printer)
        }
        UserVerb::Revoke(args) => USER.act("revoke", args, client, printer).await,
        UserVerb::Policy(UserPolicyVerb::Ls { output, .. }) => {
            let rows = client.rows(&[ME, "policy"], &[], None).await?;
            let view = output.view(FormatArg::Table);
            RowWriter::new(view, &["policy", "account"]).write(printer, &rows)?;
            Ok(ExitStatus::Success)
        }
    }
}

async fn new(
    args: NewUser,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let mut body = Map::new();
    body.insert("name".to_owned(), args.name.into());
    if let Some(account) = client.account() {
        body.insert("account".to_owned(), account.into());
    }
    let body = Value::Object(body);
    NEW.create(body, args.output, client, printer).await
}

/// The caller.
async fn me(client: &mut Client) -> Result<Row, Error> {
    client.row(Call::get(&[ME])).await
}

/// One text about the caller.
pub(super) async fn mine(field: &str, client: &mut Client) -> Result<String, Error> {
    let me = me(client).await?;
    me.text(field)
        .map(str::to_owned)
        .ok_or_else(|| Error::Answer {
            url: client.url().to_owned(),
            reason: format!("your user has no `{field}`"),
        })
}
