//! `eai login`.

use crate::args::LoginVerb;
use crate::client::Client;
use crate::error::{Error, ExitStatus};
use crate::output::Printer;

pub(super) async fn run(
    verb: &LoginVerb,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let LoginVerb::Token { header } = verb;
    let Some(token) = client.access_token().await? else {
        return Err(Error::NoCredentials(client.profile().to_owned()));
    };
    if *header {
        printer.line(&format!("Authorization: Bearer {token}"))?;
    } else {
        printer.line(&token)?;
    }
    Ok(ExitStatus::Success)
}
