//! A login by somebody else: OpenID Connect Core 1.0 as a client, by authorization code (§3.1) with
//! PKCE (RFC 7636). It asks, and gives what was proven.
//!
//! Whatever the provider says is hostile until its token is checked, and bounded.

mod claims;
mod error;
mod https;
mod jose;
mod options;
mod provider;

pub use error::OidcError;
pub use https::World;
pub use options::{Options, Trust, check_issuer, writes_any_address};
pub use provider::{Back, Begun, Proven, Provider, Secrets};

#[cfg(test)]
pub(crate) mod tests;
