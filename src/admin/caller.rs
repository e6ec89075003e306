//! Who asks, and what he may do.

use std::fmt;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AdminError;
use crate::base::percent_decoded;
use crate::limits;
use crate::terminal::visible;

/// What an administrator may do; each may do what those before it may.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Looks, and changes nothing. Sees no body of a message.
    Viewer,
    /// Helps users: their accounts, and what became of their mail.
    HelpDesk,
    /// Acts on mail: holds, releases, retries, moves, waves, replays.
    Operator,
    /// Everything, also what cannot be undone, and who the administrators are.
    Admin,
}

impl Role {
    /// All, from the one who may least.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::HelpDesk, Self::Operator, Self::Admin];

    /// As it is typed and shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::HelpDesk => "help-desk",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.word())
    }
}

/// There is no such role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no role: expected viewer, help-desk, operator or admin")]
pub struct NoSuchRole(String);

impl FromStr for Role {
    type Err = NoSuchRole;

    fn from_str(text: &str) -> Result<Self, NoSuchRole> {
        let found = Self::ALL.into_iter().find(|role| role.word() == text);
        found.ok_or_else(|| NoSuchRole(text.to_owned()))
    }
}

/// Who asks: the middleware that let him in puts it into the request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// His name, as it stands in the ledger and in the audit log.
    pub name: String,
    /// What he may do.
    pub role: Role,
    /// From where: `socket`, or an address of the network.
    pub from: String,
}

/// From where who opens the unix socket comes.
const SOCKET: &str = "socket";
/// The header in which the command line says who sits at the terminal. Over TCP it means nothing.
pub(crate) const ACTOR: &str = "x-tideover-actor";

impl Caller {
    /// Who may open the unix socket may do everything, and is called what he says.
    pub(super) fn of_socket(headers: &HeaderMap) -> Self {
        let said = headers.get(ACTOR).and_then(|name| name.to_str().ok());
        let said = said
            .map(percent_decoded)
            .filter(|name| !name.trim().is_empty());
        // What has a name in its body is refused for a bad one; this is for all the others.
        let name = said.map(|name| visible(&name).chars().take(limits::ACTOR).collect());
        Self {
            name: name.unwrap_or_else(|| SOCKET.to_owned()),
            role: Role::Admin,
            from: SOCKET.to_owned(),
        }
    }

    /// Does he come by the unix socket, without saying who he is?
    pub(super) fn is_nameless(&self) -> bool {
        self.is_socket() && self.name == SOCKET
    }

    /// Does he come by the unix socket?
    pub(super) fn is_socket(&self) -> bool {
        self.from == SOCKET
    }
}

/// By which way he comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// By the unix socket.
    Socket,
    /// With a session of his browser.
    Session,
    /// With a token.
    Token,
}

impl<S: Send + Sync> FromRequestParts<S> for Way {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AdminError> {
        let caller = Caller::from_request_parts(parts, state).await?;
        if caller.is_socket() {
            return Ok(Self::Socket);
        }
        // Pages ask in the name of a session.
        Ok(parts.extensions.get().copied().unwrap_or(Self::Session))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AdminError> {
        let known = parts.extensions.get::<Self>().cloned();
        known.ok_or(AdminError::Nobody)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_may_what_those_before_it_may_and_has_one_spelling() {
        assert!(Role::ALL.is_sorted());
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
            let word = serde_json::to_value(role).unwrap();
            assert_eq!(word, role.word());
        }
        let error = "root".parse::<Role>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"root\" is no role: expected viewer, help-desk, operator or admin"
        );
    }
}
