//! The profile with which the command line of the same user finds a platform that was just started.

use eai_proxy::api::Platform;
use eai_proxy::auth::Kind;
use time::OffsetDateTime;
use uuid::Uuid;

use super::bootstrap;
use super::data_dir::DataDir;
use crate::args::ServeArgs;
use crate::env;
use crate::error::Error;
use crate::output::Printer;
use crate::profile::{Config, NewProfile, write_profile};
use crate::server;

/// Writes the profile, unless it is there and good, or is that of another platform.
pub(crate) fn write(
    args: &ServeArgs,
    data: &DataDir,
    platform: &Platform,
    printer: &Printer,
) -> Result<(), Error> {
    let now = OffsetDateTime::now_utc();
    let folder = env::config_dir()?;
    let config = Config::load(&folder)?;
    let name = args
        .profile
        .clone()
        .or(config.default.clone())
        .unwrap_or_else(|| "default".into());
    let url = platform.urls.platform();
    if let Some(known) = config.profile.get(&name) {
        let ours = known
            .refresh_token
            .as_deref()
            .is_some_and(|token| platform.tokens.verify(token, Kind::Refresh, now).is_ok());
        if ours && known.url.as_deref() == Some(url.as_str()) {
            return Ok(());
        }
        if !ours && known.url.as_deref().is_some_and(|known| known != url) {
            printer.warning(&format!(
                "profile `{name}` is for another platform and stays as it is: \
                 start with --profile NAME to write one for this platform"
            ));
            return Ok(());
        }
    }
    let admin = bootstrap::admin(data);
    let account = data.account().clone();
    let claims = platform
        .tokens
        .claims(admin, account.clone(), Kind::Refresh, Uuid::new_v4(), now);
    let token = platform.tokens.sign(&claims).map_err(server::Error::from)?;
    let known = config.profile.get(&name);
    let new = NewProfile {
        url: &url,
        account: account.as_str(),
        refresh_token: &token,
        ca_cert: known.and_then(|known| known.ca_cert.as_deref()),
    };
    write_profile(&folder, &name, new)?;
    Ok(())
}
