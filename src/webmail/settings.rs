//! What a user sets for himself: facts of the spool.

use serde::{Deserialize, Serialize};

use super::Webmail;
use super::accounts::blocking;
use super::error::WebError;

/// Facts by account.
pub(super) const SETTINGS: &str = "webmail-settings";
/// Characters of a signature.
pub(crate) const SIGNATURE: usize = 2_000;

/// A user's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// Stands under what he writes.
    pub signature: String,
    /// Single keys do something (WCAG 2.2, 2.1.4: they can be switched off).
    pub has_keys: bool,
    /// Lists have a line for each conversation, and not for each message.
    pub has_conversations: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            signature: String::new(),
            has_keys: true,
            has_conversations: false,
        }
    }
}

impl Webmail {
    /// The settings of an account; what cannot be read is as if never set.
    pub(crate) async fn settings(&self, account: &str) -> Result<Settings, WebError> {
        let (spool, key) = (self.0.world.spool.clone(), account.to_owned());
        let fact = blocking(move || spool.fact(SETTINGS, &key)).await??;
        let settings = fact.and_then(|value| serde_json::from_value(value).ok());
        Ok(settings.unwrap_or_default())
    }

    /// Keeps the settings of an account, durably.
    pub(crate) async fn set_settings(
        &self,
        account: &str,
        settings: &Settings,
    ) -> Result<(), WebError> {
        let value = serde_json::to_value(settings).map_err(|_| WebError::Internal)?;
        let spool = &self.0.world.spool;
        Ok(spool.put_fact(SETTINGS, account, Some(value)).await?)
    }
}
