//! What the browser says (WebAuthn §5.8.1): for which page it asked the authenticator. Pure.

use serde::Deserialize;

use super::Refusal;
use crate::limits;

/// What the browser says, signed by the authenticator along with its own word.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    /// In base64url.
    pub(super) challenge: String,
    origin: String,
    #[serde(default, rename = "crossOrigin")]
    is_cross_origin: bool,
    #[serde(default, rename = "topOrigin")]
    top_origin: Option<serde_json::Value>,
}

impl ClientData {
    /// Reads it. Keys that the standard does not have are passed over, as it asks for.
    ///
    /// # Errors
    /// When it is too long, or is not what the standard says.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.len() > limits::PASSKEY_DATA {
            return Err(Refusal::TooLong);
        }
        // WebAuthn §7.1 step 5, §7.2 step 8: without the mark of UTF-8.
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        serde_json::from_slice(text).map_err(|_| Refusal::Shape)
    }

    /// Is it of this kind, and from a page of ours?
    pub(super) fn check(&self, kind: &str, origin: &str) -> Result<(), Refusal> {
        // WebAuthn §7.1 step 7, §7.2 step 10.
        if self.kind != kind {
            return Err(Refusal::Kind);
        }
        // WebAuthn §7.1 step 9, §7.2 step 12.
        if self.origin != origin {
            return Err(Refusal::Origin);
        }
        // WebAuthn §7.1 steps 10 and 11, §7.2 steps 13 and 14: our pages are in no frame.
        if self.is_cross_origin || self.top_origin.is_some() {
            return Err(Refusal::Framed);
        }
        Ok(())
    }
}
