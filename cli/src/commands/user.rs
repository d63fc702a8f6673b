//! `eai user`, and who the others mean by "mine".

use super::resource::Kind;
use crate::args::UserVerb;
use crate::client::{Call, Client};
use crate::error::{Error, ExitStatus};
use crate::output::{Printer, Row};

const USER: Kind = Kind {
    path: "me",
    columns: &["id", "name", "account", "organization"],
};

pub(super) async fn run(
    verb: UserVerb,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let UserVerb::Get(args) = verb;
    let me = me(client).await?;
    if let Some(reference) = args.reference
        && !["id", "name", "urn"]
            .iter()
            .any(|field| me.text(field) == Some(&reference))
    {
        return Err(Error::OtherUser(reference));
    }
    USER.print(&[me], args.output, printer)
}

/// The caller.
async fn me(client: &mut Client) -> Result<Row, Error> {
    client.row(Call::get(&[USER.path])).await
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
