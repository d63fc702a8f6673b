//! The config file: profiles in TOML.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use super::{Cache, Error, files, valid_name};

/// The config file.
#[derive(Default, Deserialize)]
pub(crate) struct Config {
    pub(crate) default: Option<String>,
    #[serde(default)]
    pub(crate) profile: BTreeMap<String, Profile>,
}

/// A platform, and who you are there.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Profile {
    pub(crate) url: Option<String>,
    pub(crate) account: Option<String>,
    pub(crate) refresh_token: Option<String>,
    /// Whom to trust instead of whom the machine trusts.
    pub(crate) ca_cert: Option<PathBuf>,
}

// === impl Config ===

impl Config {
    /// Where it is.
    pub(crate) fn path(config_dir: &Path) -> PathBuf {
        config_dir.join("config")
    }

    /// Reads it; one that isn't there has no profiles.
    pub(crate) fn load(config_dir: &Path) -> Result<Self, Error> {
        let path = Self::path(config_dir);
        let text = files::read(&path)?.unwrap_or_default();
        Self::parse(&text).map_err(|reason| Error::Format { path, reason })
    }

    /// Reads its text.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        // The message alone: the whole error shows the line, which may hold a token.
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }
}

/// A profile to be written.
#[derive(Clone, Copy, Default)]
pub(crate) struct NewProfile<'a> {
    pub(crate) url: &'a str,
    pub(crate) account: &'a str,
    pub(crate) refresh_token: &'a str,
    pub(crate) ca_cert: Option<&'a Path>,
}

/// Writes a profile to the config file, beside those that are there.
///
/// The first profile becomes the default. What was cached for an older profile of this name is
/// forgotten, for it came from another platform.
pub(crate) fn write_profile(
    config_dir: &Path,
    name: &str,
    profile: NewProfile<'_>,
) -> Result<(), Error> {
    if !valid_name(name) {
        return Err(Error::Name(name.to_owned()));
    }
    let path = Config::path(config_dir);
    let _lock = files::lock(config_dir)?;
    let text = files::read(&path)?.unwrap_or_default();
    let text = with_profile(&text, name, profile).map_err(|reason| Error::Format {
        path: path.clone(),
        reason,
    })?;
    Cache::new(config_dir, name).clear()?;
    files::replace(&path, &text)
}

/// The text with one profile added or replaced, and what else is in it kept.
fn with_profile(text: &str, name: &str, profile: NewProfile<'_>) -> Result<String, String> {
    Config::parse(text)?;
    let mut config: Table = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    config.entry("default").or_insert_with(|| name.into());
    let profiles = config
        .entry("profile")
        .or_insert_with(|| Value::Table(Table::new()));
    let Some(profiles) = profiles.as_table_mut() else {
        return Err("`profile` is not a table".to_owned());
    };
    let mut table = Table::from_iter([
        ("url".to_owned(), Value::from(profile.url)),
        ("account".to_owned(), Value::from(profile.account)),
        (
            "refresh-token".to_owned(),
            Value::from(profile.refresh_token),
        ),
    ]);
    if let Some(path) = profile.ca_cert {
        table.insert("ca-cert".to_owned(), path.display().to_string().into());
    }
    profiles.insert(name.to_owned(), Value::Table(table));
    toml::to_string(&config).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn new<'a>(url: &'a str, account: &'a str, refresh_token: &'a str) -> NewProfile<'a> {
        NewProfile {
            url,
            account,
            refresh_token,
            ca_cert: None,
        }
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_written_profile_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("a/b");
        let profile = NewProfile {
            ca_cert: Some(Path::new("/ca.pem")),
            ..new("http://localhost:8080", "snow.testacc", "secret")
        };
        write_profile(&dir, "default", profile).unwrap();

        let config = Config::load(&dir).unwrap();
        assert_eq!(config.default.as_deref(), Some("default"));
        let profile = &config.profile["default"];
        assert_eq!(profile.url.as_deref(), Some("http://localhost:8080"));
        assert_eq!(profile.account.as_deref(), Some("snow.testacc"));
        assert_eq!(profile.refresh_token.as_deref(), Some("secret"));
        assert_eq!(profile.ca_cert.as_deref(), Some(Path::new("/ca.pem")));
    }

    #[test]
    fn only_the_owner_may_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("eai");
        write_profile(&dir, "default", new("http://x", "snow.a", "secret")).unwrap();
        assert_eq!(mode(&dir), 0o700);
        assert_eq!(mode(&Config::path(&dir)), 0o600);
    }

    #[test]
    fn a_second_profile_leaves_the_first_and_the_default() {
        let dir = tempfile::tempdir().unwrap();
        write_profile(dir.path(), "one", new("http://1", "snow.a", "r1")).unwrap();
        write_profile(dir.path(), "two", new("http://2", "snow.b", "r2")).unwrap();
        let config = Config::load(dir.path()).unwrap();
        assert_eq!(config.default.as_deref(), Some("one"));
        assert_eq!(config.profile.keys().collect::<Vec<_>>(), ["one", "two"]);
    }

    #[test]
    fn keys_of_a_newer_version_are_kept() {
        let text = with_profile(
            "future = 1\n[profile.x]\nurl = \"u\"\nnew = true\n",
            "y",
            NewProfile::default(),
        );
        let text = text.unwrap();
        assert!(
            text.contains("future = 1") && text.contains("new = true"),
            "{text}"
        );
    }

    #[test]
    fn a_new_profile_forgets_what_was_cached_for_the_old() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path(), "default");
        cache.save_position("p:9").unwrap();
        write_profile(dir.path(), "default", new("http://x", "snow.a", "r")).unwrap();
        assert_eq!(cache.position().unwrap(), None);
    }

    #[test]
    fn a_broken_file_is_an_error_without_its_text() {
        let error = Config::parse("[profile.x]\nrefresh-token = \"hush")
            .err()
            .unwrap();
        assert!(!error.contains("hush"), "{error}");
    }
}
