//! One permission: `type:verb@resource`.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One permission: `type:verb@resource`, such as `data:read@snow.testacc.web_runtime` or `*:*@snow.testacc.*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Policy(String);

/// The longest resource of a policy, in bytes: a full name is at most 639.
const MAX_RESOURCE: usize = 1024;

/// A text that is not a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a policy: write TYPE:VERB@RESOURCE, such as service:get@snow.testacc.web")]
pub struct BadPolicy(String);

// === impl Policy ===

impl Policy {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Type, verb and resource.
    pub fn parts(&self) -> (&str, &str, &str) {
        let (action, resource) = self.0.split_once('@').unwrap_or((&self.0, ""));
        let (kind, verb) = action.split_once(':').unwrap_or((action, ""));
        (kind, verb, resource)
    }
}

impl FromStr for Policy {
    type Err = BadPolicy;

    fn from_str(text: &str) -> Result<Self, BadPolicy> {
        let word = |part: &str| {
            part == "*" || (!part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase()))
        };
        let resource = |part: &str| {
            (1..=MAX_RESOURCE).contains(&part.len())
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"_.:*-".contains(&b))
        };
        let parsed = text.split_once('@').and_then(|(action, on)| {
            let (kind, verb) = action.split_once(':')?;
            (word(kind) && word(verb) && resource(on)).then(|| Self(text.to_owned()))
        });
        parsed.ok_or_else(|| BadPolicy(crate::names::shown(text)))
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Policy {
    type Error = BadPolicy;

    fn try_from(text: String) -> Result<Self, BadPolicy> {
        text.parse()
    }
}

impl From<Policy> for String {
    fn from(policy: Policy) -> Self {
        policy.0
    }
}

impl JsonSchema for Policy {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Policy".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": r"^(\*|[a-z]+):(\*|[a-z]+)@[A-Za-z0-9_.:*-]{1,1024}$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_read_type_verb_resource() {
        for good in [
            "*:*@*",
            "data:read@snow.testacc.web_runtime",
            "job:get@orgid:account:id:job:*",
        ] {
            assert!(good.parse::<Policy>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "data:read",
            "data@x",
            "data:read@",
            "Data:read@x",
            "a:b@c d",
            "a:b:c",
        ] {
            assert!(bad.parse::<Policy>().is_err(), "{bad}");
        }
    }
}
