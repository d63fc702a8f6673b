//! Access tokens: from the environment, the cache, or the platform for a refresh token.

use time::OffsetDateTime;

use super::{Call, Client};
use crate::error::Error;
use crate::profile::AccessToken;
use crate::settings::Credentials;

// === impl Client ===

impl Client {
    /// The token to speak with, good for at least five minutes where that can be known.
    ///
    /// Without credentials there is none: the platform then says itself what is missing.
    pub(crate) async fn access_token(&mut self) -> Result<Option<String>, Error> {
        match &self.credentials {
            Credentials::Token(token) => Ok(Some(token.clone())),
            Credentials::Missing => Ok(None),
            Credentials::Refresh(_) => match self.cache.token() {
                Some(token) if token.is_fresh(OffsetDateTime::now_utc()) => Ok(Some(token.token)),
                _ => self.renewed_token().await,
            },
        }
    }

    /// The profile that credentials come from.
    pub(crate) fn profile(&self) -> &str {
        &self.profile
    }

    /// A new token for the refresh token, or `None` if there is no way to get one.
    pub(crate) async fn renewed_token(&mut self) -> Result<Option<String>, Error> {
        let Credentials::Refresh(refresh) = &self.credentials else {
            return Ok(None);
        };
        let refresh = refresh.clone();
        let answer = self
            .exchange(&Call::post(&["token"]), Some(&refresh))
            .await?;
        let token: AccessToken = serde_json::from_slice(&answer.body)
            .map_err(|error| self.no_answer(&error.to_string()))?;
        if let Err(error) = self.cache.save_token(&token) {
            // It is still good for this invocation.
            self.warn(error.to_string());
        }
        Ok(Some(token.token))
    }
}
