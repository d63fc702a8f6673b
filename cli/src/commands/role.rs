//! `eai role`.

use super::resource::Kind;
use crate::args::RoleVerb;
use crate::client::Client;
use crate::error::{Error, ExitStatus};
use crate::output::Printer;

const ROLE: Kind = Kind {
    path: "role",
    columns: &["id", "name", "fullName", "account", "policies"],
};

pub(super) async fn run(
    verb: RoleVerb,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    match verb {
        RoleVerb::Ls(args) => ROLE.list(args, client, printer).await,
        RoleVerb::Get(args) => ROLE.get(args, client, printer).await,
    }
}
