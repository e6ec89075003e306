//! The cookies of the door: for its own host only, out of reach of scripts, never sent along by
//! another site.

use std::time::Duration;

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

use super::Gate;
use crate::credential::{digest, is_token, same};

/// The cookie of a session over plain http that stays on the machine.
pub(in crate::admin) const SESSION: &str = "tideover-operator";
/// The same over TLS.
pub(in crate::admin) const SECURE_SESSION: &str = "__Host-tideover-operator";
/// A form of who is not logged in is good for so long.
const FORM_LIFE: Duration = Duration::from_secs(3600);

impl Gate {
    // RFC 6265bis §4.1.3.2: with `__Host-` no other host and no plain http can set them.
    fn session_name(&self) -> &'static str {
        if self.is_secure() {
            SECURE_SESSION
        } else {
            SESSION
        }
    }

    fn form_name(&self) -> &'static str {
        if self.is_secure() {
            "__Host-tideover-operator-form"
        } else {
            "tideover-operator-form"
        }
    }

    /// The token of a session, not checked.
    pub(super) fn session_token(&self, headers: &HeaderMap) -> Option<String> {
        cookie(headers, self.session_name())
    }

    /// The cookie that begins a session.
    pub(super) fn session_cookie(&self, token: &str) -> Option<HeaderValue> {
        let life = self.operators().options().life;
        self.cookie(self.session_name(), token, life)
    }

    /// The cookie that ends it.
    pub(super) fn no_session_cookie(&self) -> Option<HeaderValue> {
        self.cookie(self.session_name(), "", Duration::ZERO)
    }

    /// The cookie of a form before login, and what the form carries: no other site can log somebody
    /// in as somebody else.
    pub(super) fn form(&self, headers: &HeaderMap) -> (String, Option<HeaderValue>) {
        let known = cookie(headers, self.form_name()).filter(|token| is_token(token));
        let token = known.unwrap_or_else(|| self.operators().new_token());
        let set = self.cookie(self.form_name(), &token, FORM_LIFE);
        (digest("operator form", &token), set)
    }

    /// Does a form before login come from one of our pages?
    pub(super) fn allows_form(&self, headers: &HeaderMap, csrf: &str) -> bool {
        let token = cookie(headers, self.form_name()).filter(|token| is_token(token));
        token.is_some_and(|token| same(&digest("operator form", &token), csrf))
    }

    /// The cookie that ends forms before login.
    pub(super) fn no_form_cookie(&self) -> Option<HeaderValue> {
        self.cookie(self.form_name(), "", Duration::ZERO)
    }

    fn cookie(&self, name: &str, value: &str, life: Duration) -> Option<HeaderValue> {
        let secure = if self.is_secure() { "; Secure" } else { "" };
        let life = life.as_secs();
        let cookie =
            format!("{name}={value}; Path=/; Max-Age={life}; HttpOnly; SameSite=Strict{secure}");
        cookie.parse().ok()
    }
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
}
