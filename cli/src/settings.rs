//! What an invocation works with: flags, environment and config file folded into plain values.
//!
//! Owns the precedence (flag, then variable, then profile, then default). It makes no call.

use std::path::PathBuf;
use std::time::Duration;

use uuid::Uuid;

use crate::args::GlobalArgs;
use crate::env;
use crate::error::Error;
use crate::profile::Config;

/// Where a platform on this machine listens.
const LOCAL_URL: &str = "http://localhost:8080";
/// The profile when nothing names one.
const DEFAULT_PROFILE: &str = "default";

/// The plain values of one invocation.
pub(crate) struct Settings {
    pub(crate) config_dir: PathBuf,
    pub(crate) profile: String,
    pub(crate) url: String,
    /// Whom to trust instead of whom the machine trusts.
    pub(crate) ca_cert: Option<PathBuf>,
    pub(crate) credentials: Credentials,
    /// The account that plain names are in; `None` leaves it to the platform.
    pub(crate) account: Option<String>,
    pub(crate) command_id: Uuid,
    pub(crate) retry_for: Duration,
}

/// Who the invocation speaks as.
#[derive(Clone)]
pub(crate) enum Credentials {
    /// An access token from the environment.
    Token(String),
    /// The profile's refresh token, good for access tokens.
    Refresh(String),
    /// None at all.
    Missing,
}

// === impl Settings ===

impl Settings {
    /// Folds flags, environment and the config file.
    pub(crate) fn resolve(global: &GlobalArgs) -> Result<Self, Error> {
        let config_dir = env::config_dir()?;
        let config = Config::load(&config_dir)?;
        let token = env::read(env::EAI_TOKEN);
        fold(
            global,
            config_dir,
            config,
            token,
            env::read(env::EAI_ACCOUNT),
            env::retry_for()?,
        )
    }
}

fn fold(
    global: &GlobalArgs,
    config_dir: PathBuf,
    mut config: Config,
    token: Option<String>,
    env_account: Option<String>,
    retry_for: Duration,
) -> Result<Settings, Error> {
    let asked = nonempty(global.profile.as_ref());
    let named = asked.or_else(|| config.default.clone());
    let name = named.clone().unwrap_or_else(|| DEFAULT_PROFILE.to_owned());
    if !crate::profile::valid_name(&name) {
        return Err(Error::Usage(format!(
            "profile name `{name}` has other characters than letters, digits, `-`, `_` and `.`"
        )));
    }
    let profile = match config.profile.remove(&name) {
        Some(profile) => profile,
        None if named.is_none() => crate::profile::Profile::default(),
        None => {
            return Err(Error::NoProfile {
                name,
                path: Config::path(&config_dir).display().to_string(),
                known: config.profile.into_keys().collect(),
            });
        }
    };
    // The profile's account is its own user's: it says nothing about the holder of a token.
    let profile_account = if token.is_some() {
        None
    } else {
        profile.account
    };
    let credentials = match (token, profile.refresh_token) {
        (Some(token), _) => Credentials::Token(token),
        (None, Some(refresh)) => Credentials::Refresh(refresh),
        (None, None) => Credentials::Missing,
    };
    Ok(Settings {
        config_dir,
        profile: name,
        url: nonempty(global.url.as_ref())
            .or(profile.url)
            .unwrap_or_else(|| LOCAL_URL.to_owned()),
        ca_cert: named_file(global.ca_cert.as_ref()).or(profile.ca_cert),
        credentials,
        account: nonempty(global.account.as_ref())
            .or(env_account)
            .or(profile_account),
        command_id: global.command_id.unwrap_or_else(Uuid::new_v4),
        retry_for,
    })
}

fn named_file(path: Option<&PathBuf>) -> Option<PathBuf> {
    path.filter(|path| !path.as_os_str().is_empty()).cloned()
}

fn nonempty(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        Config::parse(text).unwrap()
    }

    fn settings(global: &GlobalArgs, text: &str, token: Option<&str>) -> Result<Settings, Error> {
        fold(
            global,
            "/c".into(),
            config(text),
            token.map(str::to_owned),
            None,
            Duration::ZERO,
        )
    }

    const TWO: &str = "default = \"a\"\n\
        [profile.a]\nurl = \"http://a\"\naccount = \"snow.a\"\nrefresh-token = \"r\"\n\
        [profile.b]\nurl = \"http://b\"\n";

    #[test]
    fn the_default_profile_is_used() {
        let settings = settings(&GlobalArgs::default(), TWO, None).unwrap();
        assert_eq!(settings.url, "http://a");
        assert_eq!(settings.account.as_deref(), Some("snow.a"));
        assert!(matches!(settings.credentials, Credentials::Refresh(token) if token == "r"));
    }

    #[test]
    fn flags_win_over_the_profile() {
        let global = GlobalArgs {
            profile: Some("b".into()),
            url: Some("http://c".into()),
            ..GlobalArgs::default()
        };
        let settings = settings(&global, TWO, None).unwrap();
        assert_eq!(
            (settings.profile.as_str(), settings.url.as_str()),
            ("b", "http://c")
        );
        assert!(matches!(settings.credentials, Credentials::Missing));
    }

    #[test]
    fn a_token_brings_its_own_account() {
        let settings = settings(&GlobalArgs::default(), TWO, Some("t")).unwrap();
        assert!(matches!(settings.credentials, Credentials::Token(token) if token == "t"));
        assert_eq!(settings.account, None);
    }

    #[test]
    fn an_unknown_profile_is_refused_with_the_known_ones() {
        let global = GlobalArgs {
            profile: Some("x".into()),
            ..GlobalArgs::default()
        };
        let error = settings(&global, TWO, None).err().unwrap();
        assert_eq!(error.hint().unwrap(), "the profiles are a, b");
    }

    #[test]
    fn a_profile_name_cannot_leave_its_folder() {
        let global = GlobalArgs {
            profile: Some("../x".into()),
            ..GlobalArgs::default()
        };
        assert!(matches!(settings(&global, TWO, None), Err(Error::Usage(_))));
    }

    #[test]
    fn no_config_at_all_is_a_platform_on_this_machine() {
        let settings = settings(&GlobalArgs::default(), "", None).unwrap();
        assert_eq!(
            (settings.profile.as_str(), settings.url.as_str()),
            ("default", LOCAL_URL)
        );
    }
}
