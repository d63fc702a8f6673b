//! `eai organization`.

use super::resource::Kind;
use super::user::mine;
use crate::args::AtArgs;
use crate::args::OrganizationVerb;
use crate::client::Client;
use crate::error::{Error, ExitStatus};
use crate::output::Printer;

const ORGANIZATION: Kind = Kind {
    path: "organization",
    columns: &["id", "name"],
};

pub(super) async fn run(
    verb: OrganizationVerb,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let OrganizationVerb::Get(args) = verb;
    let reference = match args.reference {
        Some(reference) => reference,
        None => mine("organization", client).await?,
    };
    ORGANIZATION
        .get_one(&reference, AtArgs::default(), args.output, client, printer)
        .await
}
