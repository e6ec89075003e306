//! LDAP as a source of plain facts: it connects, searches page by page, and gives what it found.
//!
//! It only reads: no other operation is sent than StartTLS, bind, search and unbind. What the
//! attributes mean says the room `directory`.

mod error;
mod object;
mod options;
mod session;

pub use error::LdapError;
pub use object::Object;
pub use options::{LdapOptions, Login, Search, check_filter};
pub use session::{LdapServer, Sink};
