//! LDAP as a source of plain facts: it connects, searches page by page, and gives what it found.
//!
//! It only reads, and asks whether a password is right: no other operation is sent than StartTLS,
//! bind, search and unbind. What the attributes mean says the room `directory`.

mod error;
mod lasting;
mod login;
mod object;
mod options;
mod reach;
mod session;

pub use error::LdapError;
pub use lasting::lasting_id;
pub use login::{Answer, Passwords};
pub use object::Object;
pub use options::{LdapOptions, Login, Search, check_filter};
pub use session::{LdapServer, Sink};
