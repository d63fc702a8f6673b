//! One call of the API, before it is sent: it can be sent again as it is.

use std::time::Duration;

use reqwest::{Method, Url};
use serde_json::Value;
use uuid::Uuid;

/// How long an answer may take; the platform itself waits for its views, but not this long.
const PATIENCE: Duration = Duration::from_mins(1);

/// One call.
pub(crate) struct Call<'a> {
    pub(super) method: Method,
    path: Vec<&'a str>,
    query: Vec<(String, String)>,
    pub(super) body: Option<Value>,
    /// A body that goes as it is, and its media type.
    pub(super) text: Option<(&'static str, String)>,
    pub(super) nth: Option<u32>,
    pub(super) accept: Option<&'static str>,
    pub(super) patience: Duration,
}

// === impl Call ===

impl<'a> Call<'a> {
    /// A question.
    pub(crate) fn get(path: &[&'a str]) -> Self {
        Self::new(Method::GET, path)
    }

    /// A command; `nth` of this invocation.
    pub(crate) fn command(path: &[&'a str], nth: u32) -> Self {
        Self {
            nth: Some(nth),
            ..Self::new(Method::POST, path)
        }
    }

    /// A call that changes nothing in the log, and so needs no command id.
    pub(crate) fn post(path: &[&'a str]) -> Self {
        Self::new(Method::POST, path)
    }

    /// A call that removes something, and so may be repeated.
    pub(crate) fn delete(path: &[&'a str]) -> Self {
        Self::new(Method::DELETE, path)
    }

    /// A command that takes something away; `nth` of this invocation.
    pub(crate) fn remove(path: &[&'a str], nth: u32) -> Self {
        Self {
            nth: Some(nth),
            ..Self::new(Method::DELETE, path)
        }
    }

    fn new(method: Method, path: &[&'a str]) -> Self {
        Self {
            method,
            path: path.to_vec(),
            query: Vec::new(),
            body: None,
            text: None,
            nth: None,
            accept: None,
            patience: PATIENCE,
        }
    }

    /// A command that changes something in part; `nth` of this invocation.
    pub(crate) fn patch(path: &[&'a str], nth: u32) -> Self {
        Self {
            nth: Some(nth),
            ..Self::new(Method::PATCH, path)
        }
    }

    /// With a parameter.
    pub(crate) fn query(mut self, name: &str, value: String) -> Self {
        self.query.push((name.to_owned(), value));
        self
    }

    /// With a body.
    pub(crate) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// With a body that goes as it is.
    pub(crate) fn text(mut self, media_type: &'static str, text: String) -> Self {
        self.text = Some((media_type, text));
        self
    }

    /// With the media type that the answer should have.
    pub(crate) fn accept(mut self, media_type: &'static str) -> Self {
        self.accept = Some(media_type);
        self
    }

    /// With more or less time for the answer.
    pub(crate) fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Where it goes.
    pub(super) fn url(&self, base: &Url) -> Url {
        let mut url = base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(&self.path);
        }
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        url
    }

    /// Its command id, if it is a command.
    ///
    /// Each command of an invocation needs its own; all of them follow from the one that the user
    /// can name, so that repeating the invocation repeats each.
    pub(super) fn key(&self, command_id: Uuid) -> Option<Uuid> {
        self.nth.map(|nth| match nth {
            0 => command_id,
            nth => Uuid::new_v5(&command_id, &nth.to_be_bytes()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refs_are_escaped_in_the_path() {
        let base = Url::parse("http://x:1/base/").unwrap();
        let call = Call::get(&["service", "a/b?c"]).query("account", "snow a".to_owned());
        assert_eq!(
            call.url(&base).as_str(),
            "http://x:1/base/v1/service/a%2Fb%3Fc?account=snow+a"
        );
    }

    #[test]
    fn the_first_command_has_the_users_id_and_the_others_follow_from_it() {
        let id = Uuid::from_u128(7);
        assert_eq!(Call::get(&["me"]).key(id), None);
        assert_eq!(Call::command(&["service"], 0).key(id), Some(id));
        let second = Call::command(&["service"], 1).key(id).unwrap();
        assert_ne!(second, id);
        assert_eq!(Call::command(&["service"], 1).key(id), Some(second));
    }
}
