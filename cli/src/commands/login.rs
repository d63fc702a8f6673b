//! `eai login`.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::args::{GlobalArgs, LoginVerb};
use crate::client::{Call, Client};
use crate::error::{Error, ExitStatus};
use crate::output::Printer;
use crate::profile::{Cache, NewProfile, write_profile};
use crate::settings::{Credentials, Settings};

/// The longest token that is read.
const MOST: u64 = 4096;

pub(super) async fn run(
    verb: &LoginVerb,
    client: &mut Client,
    printer: &mut Printer,
) -> Result<ExitStatus, Error> {
    let header = match verb {
        LoginVerb::Token { header } => *header,
        LoginVerb::Save { name } => return save(name, client, printer).await,
    };
    let Some(token) = client.access_token().await? else {
        return Err(Error::NoCredentials(client.profile().to_owned()));
    };
    if header {
        printer.line(&format!("Authorization: Bearer {token}"))?;
    } else {
        printer.line(&token)?;
    }
    Ok(ExitStatus::Success)
}

/// Tries the token first: a profile that says nothing true is worse than none.
async fn save(name: &str, asked: &Client, printer: &mut Printer) -> Result<ExitStatus, Error> {
    if !crate::profile::valid_name(name) {
        return Err(Error::Usage(format!(
            "profile name `{name}` has other characters than letters, digits, `-`, `_` and `.`"
        )));
    }
    let mut token = String::new();
    let read = std::io::stdin().take(MOST).read_to_string(&mut token);
    let token = token.trim();
    if read.is_err() || token.is_empty() {
        return Err(Error::Usage(
            "standard input has no token: give it what `eai user new NAME --field refreshToken` prints"
                .to_owned(),
        ));
    }
    let url = asked.url();
    let fresh = GlobalArgs {
        url: Some(url.to_owned()),
        ca_cert: asked.ca_cert().map(Path::to_owned),
        ..GlobalArgs::default()
    };
    let settings = Settings {
        profile: name.to_owned(),
        credentials: Credentials::Refresh(token.to_owned()),
        ..Settings::resolve(&fresh)?
    };
    let folder = settings.config_dir.clone();
    let ca_cert = settings.ca_cert.as_deref().map(absolute).transpose()?;
    Cache::new(&folder, name).forget_token()?;
    let mut client = Client::new(settings, printer.progress())?;
    let me = client.row(Call::get(&["me"])).await?;
    let account = me.text("account").unwrap_or_default();
    let new = NewProfile {
        url,
        account,
        refresh_token: token,
        ca_cert: ca_cert.as_deref(),
    };
    write_profile(&folder, name, new)?;
    printer.line(&format!(
        "profile {name} is user {} of account {account}",
        me.text("name").unwrap_or_default()
    ))?;
    Ok(ExitStatus::Success)
}

/// The profile is used from other folders as well.
fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path)
        .map_err(|error| Error::Usage(format!("cannot tell where {} is: {error}", path.display())))
}
