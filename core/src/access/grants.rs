//! What somebody may do: the policies of all roles that it holds, each within its role's account.

use uuid::Uuid;

use super::Policy;
use crate::ids::{AccountId, OrganizationId};
use crate::names::AccountName;

/// Everything that somebody may do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grants(Vec<Grant>);

/// What one role allows. It reaches nothing outside of the role's account.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// Where the role lives.
    pub place: Place,
    /// What it allows there.
    pub policies: Vec<Policy>,
}

/// An account with the ids that a policy may name it by.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Its full name.
    pub account: AccountName,
    /// Its id and its organization's, where they are known.
    pub ids: Option<(OrganizationId, AccountId)>,
}

/// What something is to be done to: an account, or something in it.
#[derive(Clone, Copy, Debug)]
pub struct Thing<'a> {
    /// The account.
    pub account: &'a AccountName,
    /// The id of the thing; absent for the account itself, and for what is to be made.
    pub id: Option<Uuid>,
    /// Its name in the account.
    pub name: Option<&'a str>,
    /// The service that it belongs to, by id and full name: who may see that may see this.
    pub of: Option<(Uuid, &'a str)>,
}

// === impl Thing ===

impl<'a> Thing<'a> {
    /// An account, or whatever is in it.
    pub fn account(account: &'a AccountName) -> Self {
        Self {
            account,
            id: None,
            name: None,
            of: None,
        }
    }

    /// Something with a name.
    pub fn named(account: &'a AccountName, id: Uuid, name: &'a str) -> Self {
        Self {
            id: Some(id),
            name: Some(name),
            ..Self::account(account)
        }
    }

    /// Something that is known by its id alone.
    pub fn by_id(account: &'a AccountName, id: Uuid) -> Self {
        Self {
            id: Some(id),
            ..Self::account(account)
        }
    }

    /// The same as part of a service.
    #[must_use]
    pub fn of(self, service: Option<(Uuid, &'a str)>) -> Self {
        Self {
            of: service,
            ..self
        }
    }

    /// Whether a full name of a policy, with `*` for any characters, means this.
    fn is_named(&self, pattern: &str) -> bool {
        let account = self.account.as_str();
        let full = match self.name {
            Some(name) => matches_joined(pattern, account, name),
            // The account itself is in `snow.testacc.*` as all that is in it.
            None => glob(pattern, account) || matches_joined(pattern, account, ""),
        };
        full || self.of.is_some_and(|(_, service)| glob(pattern, service))
    }

    fn has_id(&self, text: &str) -> bool {
        let Ok(id) = Uuid::try_parse(text) else {
            return false;
        };
        self.id == Some(id) || self.of.is_some_and(|(of, _)| of == id)
    }

    /// `ORGANIZATION:account:ACCOUNT`, with `:TYPE:THING` behind it where it is about something in the account.
    fn is_urn(&self, urn: &str, kind: &str, place: &Place) -> bool {
        let mut parts = urn.split(':');
        let organization = parts.next().unwrap_or_default();
        let ids = place.ids.filter(|_| place.account == *self.account);
        let known = organization == self.account.organization().as_str()
            || ids.is_some_and(|(id, _)| id.to_string() == organization);
        if organization != "*" && !known {
            return false;
        }
        match (parts.next(), parts.next()) {
            (Some("account" | "*"), Some(account)) => {
                let known = account == "*"
                    || account == self.account.as_str()
                    || account == self.account.own().as_str()
                    || ids.is_some_and(|(_, id)| id.to_string() == account);
                known && self.ends_urn(kind, parts)
            }
            // `ORGANIZATION:user:ID`: what is the organization's.
            (Some(named), Some(rest)) => {
                matches_word(named, kind) && self.is_last(rest) && parts.next().is_none()
            }
            _ => false,
        }
    }

    fn ends_urn<'t>(&self, kind: &str, mut parts: impl Iterator<Item = &'t str>) -> bool {
        match (parts.next(), parts.next(), parts.next()) {
            (None, _, _) => self.id.is_none() && self.name.is_none(),
            (Some("*"), None, _) => true,
            (Some(named), Some(rest), None) => matches_word(named, kind) && self.is_last(rest),
            _ => false,
        }
    }

    fn is_last(&self, rest: &str) -> bool {
        rest == "*" || self.has_id(rest) || self.name == Some(rest) || self.is_named(rest)
    }
}

// === impl Grants ===

impl Grants {
    /// All of these.
    pub fn new(grants: Vec<Grant>) -> Self {
        Self(grants)
    }

    /// Each role's.
    pub fn iter(&self) -> impl Iterator<Item = &Grant> {
        self.0.iter()
    }

    /// Whether something of type `kind` may be done to a thing.
    pub fn allow(&self, kind: &str, verb: &str, thing: &Thing<'_>) -> bool {
        self.0.iter().any(|grant| grant.allows(kind, verb, thing))
    }

    /// Whether nothing is allowed anywhere.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|grant| grant.policies.is_empty())
    }

    /// Whether anything at all is allowed in an account.
    pub fn reach(&self, account: &AccountName) -> bool {
        let mut inside = self.0.iter().filter(|grant| grant.place.holds(account));
        inside.any(|grant| !grant.policies.is_empty())
    }

    /// Whether whoever has these may give `policy` to a role of `account`: nobody gives what it does not have.
    pub fn cover(&self, policy: &Policy, account: &AccountName) -> bool {
        let (kind, verb, resource) = policy.parts();
        self.0.iter().any(|grant| {
            grant.place.holds(account)
                && grant.policies.iter().any(|own| {
                    let (own_kind, own_verb, own) = own.parts();
                    let whole = own == "*" || is_whole(own, account);
                    let same = own == resource
                        || own.strip_suffix('*').is_some_and(|prefix| {
                            !prefix.contains([':', '*']) && resource.starts_with(prefix)
                        });
                    (own_kind == "*" || own_kind == kind)
                        && (own_verb == "*" || own_verb == verb)
                        && (whole || same)
                })
        })
    }
}

// === impl Grant ===

impl Grant {
    fn allows(&self, kind: &str, verb: &str, thing: &Thing<'_>) -> bool {
        self.place.holds(thing.account)
            && self.policies.iter().any(|policy| {
                let (of, may, resource) = policy.parts();
                matches_word(of, kind)
                    && matches_word(may, verb)
                    && (resource == "*"
                        || if resource.contains(':') {
                            thing.is_urn(resource, kind, &self.place)
                        } else {
                            thing.has_id(resource) || thing.is_named(resource)
                        })
            })
    }
}

// === impl Place ===

impl Place {
    /// Whether an account is this one or below it.
    pub fn holds(&self, account: &AccountName) -> bool {
        within(account, &self.account)
    }
}

/// Whether an account is `outer` or below it.
fn within(account: &AccountName, outer: &AccountName) -> bool {
    account
        .as_str()
        .strip_prefix(outer.as_str())
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether a pattern means all that is in an account.
fn is_whole(pattern: &str, account: &AccountName) -> bool {
    pattern.strip_suffix(".*").is_some_and(|prefix| {
        let account = account.as_str().strip_prefix(prefix);
        account.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

fn matches_word(pattern: &str, word: &str) -> bool {
    pattern == "*" || pattern == word
}

fn matches_joined(pattern: &str, account: &str, name: &str) -> bool {
    // Most patterns are one of these two: nothing is joined for them.
    match pattern
        .strip_prefix(account)
        .and_then(|rest| rest.strip_prefix('.'))
    {
        Some("*") => true,
        Some(rest) => glob(rest, name),
        None => pattern.contains('*') && glob(pattern, &format!("{account}.{name}")),
    }
}

/// Whether a text is like a pattern in which `*` stands for any characters.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return text.ends_with(part);
        }
        match text.split_once(part) {
            Some((_, behind)) => text = behind,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: Uuid = Uuid::from_u128(7);

    fn account(text: &str) -> AccountName {
        text.parse().unwrap()
    }

    fn grants(at: &str, policies: &[&str]) -> Grants {
        Grants::new(vec![Grant {
            place: Place {
                account: account(at),
                ids: Some((
                    OrganizationId(Uuid::from_u128(1)),
                    AccountId(Uuid::from_u128(2)),
                )),
            },
            policies: policies.iter().map(|text| text.parse().unwrap()).collect(),
        }])
    }

    fn may(policy: &str, kind: &str, verb: &str) -> bool {
        let home = account("snow.testacc");
        grants("snow.testacc", &[policy]).allow(kind, verb, &Thing::named(&home, ID, "web"))
    }

    #[test]
    fn a_policy_names_type_verb_and_resource() {
        let (org, home) = (Uuid::from_u128(1), Uuid::from_u128(2));
        for yes in [
            "*:*@*".to_owned(),
            "service:get@*".into(),
            "service:*@snow.testacc.web".into(),
            "*:get@snow.testacc.*".into(),
            "service:get@snow.*".into(),
            "service:get@*.web".into(),
            "service:get@snow.testacc.w*b".into(),
            format!("service:get@{ID}"),
            format!("service:get@{org}:account:{home}:service:{ID}"),
            format!("service:get@{org}:account:{home}:service:*"),
            format!("service:get@{org}:account:{home}:*"),
            "service:get@snow:account:testacc:service:web".into(),
            "service:get@*:account:snow.testacc:*:web".into(),
            format!("service:get@snow:service:{ID}"),
        ] {
            assert!(may(&yes, "service", "get"), "{yes}");
        }
        for no in [
            "job:get@*".to_owned(),
            "service:set@*".into(),
            "service:get@snow.testacc.webs".into(),
            "service:get@snow.testacc".into(),
            "service:get@snow.other.*".into(),
            "service:get@web".into(),
            "service:get@snow.testacc.*x".into(),
            format!("service:get@{}", Uuid::from_u128(8)),
            format!("service:get@{home}:account:{home}:service:*"),
            format!("service:get@{org}:account:{org}:service:*"),
            format!("service:get@{org}:account:{home}:job:*"),
            format!("service:get@{org}:account:{home}:job:{ID}"),
            format!("service:get@{org}:account:{home}"),
            format!("service:get@{org}:account:{home}:service:{ID}:more"),
            "service:get@snow:user:*".into(),
            "service:get@:".into(),
        ] {
            assert!(!may(&no, "service", "get"), "{no}");
        }
    }

    #[test]
    fn a_role_reaches_nothing_outside_of_its_account() {
        let all = grants("snow.testacc", &["*:*@*"]);
        for (name, inside) in [
            ("snow.testacc", true),
            ("snow.testacc.sub", true),
            ("snow.testaccount", false),
            ("snow.other", false),
            ("other.testacc", false),
        ] {
            let account = account(name);
            let thing = Thing::by_id(&account, ID);
            assert_eq!(all.allow("job", "get", &thing), inside, "{name}");
            assert_eq!(all.reach(&account), inside, "{name}");
        }
    }

    #[test]
    fn an_account_is_among_what_is_in_it() {
        let home = account("snow.testacc");
        let thing = Thing::account(&home);
        for (policy, may) in [
            ("*:*@snow.testacc.*", true),
            ("account:get@snow.testacc", true),
            ("account:get@snow:account:testacc", true),
            ("account:get@snow.testacc.web", false),
        ] {
            let grants = grants("snow.testacc", &[policy]);
            assert_eq!(grants.allow("account", "get", &thing), may, "{policy}");
        }
    }

    #[test]
    fn what_belongs_to_a_service_goes_with_it() {
        let home = account("snow.testacc");
        let job = Thing::by_id(&home, Uuid::from_u128(9)).of(Some((ID, "snow.testacc.web")));
        let other = Thing::by_id(&home, Uuid::from_u128(9));
        for policy in [
            "job:get@snow.testacc.web".to_owned(),
            format!("job:get@{ID}"),
        ] {
            let grants = grants("snow.testacc", &[&policy]);
            assert!(grants.allow("job", "get", &job) && !grants.allow("job", "get", &other));
        }
    }

    #[test]
    fn nobody_gives_what_it_does_not_have() {
        let home = account("snow.testacc");
        for (own, given, covers) in [
            ("*:*@snow.testacc.*", "*:*@*", true),
            ("*:*@snow.testacc.*", "job:get@snow.testacc.x", true),
            ("*:*@snow.*", "job:get@anything", true),
            ("job:*@snow.testacc.w*", "job:get@snow.testacc.web", true),
            ("job:get@snow.testacc.web", "job:get@snow.testacc.web", true),
            (
                "job:get@snow.testacc.web",
                "job:set@snow.testacc.web",
                false,
            ),
            ("job:get@snow.testacc.web", "job:get@snow.testacc.*", false),
            ("job:get@snow.testacc.*", "*:get@snow.testacc.*", false),
            ("job:get@snow.test*", "job:get@*", false),
        ] {
            let grants = grants("snow.testacc", &[own]);
            assert_eq!(
                grants.cover(&given.parse().unwrap(), &home),
                covers,
                "{own} {given}"
            );
        }
        let elsewhere = grants("snow.other", &["*:*@*"]);
        assert!(!elsewhere.cover(&"job:get@*".parse().unwrap(), &home));
    }

    proptest! {
        /// What is covered is allowed: nothing can be reached through a gift that could not be reached before.
        #[test]
        fn a_gift_reaches_nothing_more(
            own in "(\\*|job):(\\*|get)@(\\*|snow\\.(\\*|t\\.(\\*|a\\*|ab?)))",
            given in "(\\*|job):(\\*|get)@(\\*|snow\\.(\\*|t\\.(\\*|a\\*|ab?)))",
            name in "[ab]{1,3}",
        ) {
            let home = account("snow.t");
            let (own, policy) = (grants("snow.t", &[&own]), given.parse().unwrap());
            let given = grants("snow.t", &[&given]);
            let thing = Thing::named(&home, ID, &name);
            for (kind, verb) in [("job", "get"), ("job", "set"), ("data", "get")] {
                if own.cover(&policy, &home) && given.allow(kind, verb, &thing) {
                    prop_assert!(own.allow(kind, verb, &thing));
                }
            }
        }
    }
}
