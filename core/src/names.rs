//! Names: `snow` is an organization, `snow.testacc` an account, `snow.testacc.web` something in it.
//!
//! A name is checked here once, where it enters; what has one of these types may go into a subject.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The longest name, in characters.
pub const MAX_LENGTH: usize = 63;
/// How deep accounts nest below their organization.
pub const MAX_DEPTH: usize = 8;

/// One part of a full name: `[a-z0-9_]{1,63}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

/// An organization and at least one account below it: `snow.testacc`, `snow.testacc.sub`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountName(Arc<str>);

/// Something in an account: `snow.testacc.web`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FullName {
    /// Where it lives.
    pub account: AccountName,
    /// Its name there.
    pub name: Name,
}

/// A name with all that is before it, whatever it names: an account, or something in one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct QualifiedName(Arc<str>);

/// How a user may point at something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// By its id.
    Id(Uuid),
    /// By its full name.
    Full(FullName),
    /// By its name in the account that is meant otherwise.
    Plain(Name),
}

/// Why a text is no name. The message is for the user who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A single name with a character or length that is not allowed.
    #[error("`{0}` is not a name: use 1 to {MAX_LENGTH} of the characters a-z, 0-9 and _")]
    Name(String),
    /// An account's name without, or with too many, parts.
    #[error(
        "`{0}` is not an account: write ORGANIZATION.ACCOUNT, such as snow.testacc, at most {MAX_DEPTH} accounts deep"
    )]
    Account(String),
    /// A full name with too few parts.
    #[error("`{0}` is not a full name: write ORGANIZATION.ACCOUNT.NAME, such as snow.testacc.web")]
    Full(String),
}

/// Shortens what a user sent before it goes into a message.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 80;
    let mut shown: String = text
        .chars()
        .take(MOST)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}

// === impl Name ===

impl Name {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// This name with `suffix` behind it, for what belongs to it: `web` → `web_runtime`.
    pub fn with_suffix(&self, suffix: &str) -> Result<Self, Error> {
        format!("{self}{suffix}").parse()
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if (1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(Error::Name(shown(text)))
        }
    }
}

// === impl AccountName ===

impl AccountName {
    /// The text, with dots.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The organization's name.
    pub fn organization(&self) -> Name {
        let (organization, _) = self.0.split_once('.').unwrap_or((&self.0, ""));
        Name(organization.into())
    }

    /// The last part: the account's own name.
    pub fn own(&self) -> Name {
        let (_, own) = self.0.rsplit_once('.').unwrap_or(("", &self.0));
        Name(own.into())
    }

    /// The account it is nested in, if any.
    pub fn parent(&self) -> Option<Self> {
        let (parent, _) = self.0.rsplit_once('.')?;
        parent.contains('.').then(|| Self(parent.into()))
    }

    /// The account as one subject token: nested ones joined with `-`, which no name contains.
    pub fn token(&self) -> String {
        let (_, path) = self.0.split_once('.').unwrap_or(("", &self.0));
        path.replace('.', "-")
    }

    /// The account that two subject tokens mean.
    pub fn from_tokens(organization: &str, account: &str) -> Result<Self, Error> {
        format!("{organization}.{}", account.replace('-', ".")).parse()
    }

    /// The full name of something in this account.
    pub fn join(&self, name: Name) -> FullName {
        FullName {
            account: self.clone(),
            name,
        }
    }
}

impl FromStr for AccountName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts = text.split('.').count();
        if !(2..=MAX_DEPTH + 1).contains(&parts)
            || text.split('.').any(|part| part.parse::<Name>().is_err())
        {
            return Err(Error::Account(shown(text)));
        }
        Ok(Self(text.into()))
    }
}

// === impl QualifiedName ===

impl FromStr for QualifiedName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let named = text.parse::<AccountName>().is_ok() || text.parse::<FullName>().is_ok();
        if named {
            Ok(Self(text.into()))
        } else {
            Err(Error::Full(shown(text)))
        }
    }
}

impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&FullName> for QualifiedName {
    fn from(name: &FullName) -> Self {
        Self(name.to_string().into())
    }
}

impl From<&AccountName> for QualifiedName {
    fn from(name: &AccountName) -> Self {
        Self(Arc::clone(&name.0))
    }
}

// === impl FullName ===

impl FromStr for FullName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parse = || {
            let (account, name) = text.rsplit_once('.')?;
            Some(Self {
                account: account.parse().ok()?,
                name: name.parse().ok()?,
            })
        };
        parse().ok_or_else(|| Error::Full(shown(text)))
    }
}

impl fmt::Display for FullName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.account, self.name)
    }
}

// === impl Reference ===

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        // Only the hyphenated form is an id: 32 bare hexadecimal digits are a name.
        if text.len() == 36
            && let Ok(id) = Uuid::try_parse(text)
        {
            Ok(Self::Id(id))
        } else if text.contains('.') {
            text.parse().map(Self::Full)
        } else {
            text.parse().map(Self::Plain)
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Full(name) => name.fmt(f),
            Self::Plain(name) => name.fmt(f),
        }
    }
}

macro_rules! text_forms {
    ($($type:ident $pattern:literal,)*) => {$(
        impl TryFrom<String> for $type {
            type Error = Error;
            fn try_from(text: String) -> Result<Self, Error> {
                text.parse()
            }
        }
        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }
        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    )*};
}

text_forms! {
    Name "^[a-z0-9_]{1,63}$",
    AccountName r"^[a-z0-9_]{1,63}(\.[a-z0-9_]{1,63}){1,8}$",
    FullName r"^[a-z0-9_]{1,63}(\.[a-z0-9_]{1,63}){2,9}$",
    QualifiedName r"^[a-z0-9_]{1,63}(\.[a-z0-9_]{1,63}){1,9}$",
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded() {
        for good in ["a", "web_2", "0", &"x".repeat(63)] {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "A",
            "a-b",
            "a.b",
            "a b",
            "ä",
            "a\n",
            "*",
            ">",
            &"x".repeat(64),
        ] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn accounts_nest_and_become_one_token() {
        let account: AccountName = "snow.team.sub".parse().unwrap();
        assert_eq!(account.organization().as_str(), "snow");
        assert_eq!(account.own().as_str(), "sub");
        assert_eq!(account.parent().unwrap().as_str(), "snow.team");
        assert_eq!(account.parent().unwrap().parent(), None);
        assert_eq!(account.token(), "team-sub");
        assert_eq!(
            AccountName::from_tokens("snow", "team-sub").unwrap(),
            account
        );
        for bad in [
            "snow",
            "",
            ".",
            "snow.",
            ".a",
            "a..b",
            "a.b.c.d.e.f.g.h.i.j",
        ] {
            assert!(bad.parse::<AccountName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn references_are_told_apart() {
        let id = "6c5bf9ec-71f7-4d13-b5ec-24b37f0f8e9e";
        assert_eq!(id.parse(), Ok(Reference::Id(id.parse().unwrap())));
        assert!(matches!("snow.testacc.web".parse(), Ok(Reference::Full(_))));
        assert!(matches!("web".parse(), Ok(Reference::Plain(_))));
        assert!(matches!(
            "6c5bf9ec71f74d13b5ec24b37f0f8e9e".parse(),
            Ok(Reference::Plain(_))
        ));
        assert!(matches!(
            "snow.web".parse::<Reference>(),
            Err(Error::Full(_))
        ));
        assert!("we b".parse::<Reference>().is_err());
    }

    #[test]
    fn messages_show_a_bounded_and_escaped_text() {
        let text = Error::Name(shown(&"\u{1b}[31m".repeat(100))).to_string();
        assert!(!text.contains('\u{1b}') && text.len() < 500, "{text}");
    }
}
