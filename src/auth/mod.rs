//! Trust at receipt: who sent a message, as far as it can be proven. SPF, DKIM, DMARC, ARC and
//! iprev are checked when a message comes in, and the verdict is stored with it.
//!
//! `reading` follows the message on its way in: it keeps the header, within bounds, and sums up the
//! body without keeping it. `checker` then asks the DNS, until a deadline, and puts the verdict
//! together; `results` writes the field; `ruling` says what is done. `keys` are those of our
//! domains; `sign` signs what we write with them, and seals what we saw. Everything but `checker`,
//! `lookup` and `keys` is pure. The signatures are ring's, like those of TLS; names are asked
//! through [`crate::net::Ask`], so that a test writes its own DNS.

mod arc;
mod author;
mod blocklist;
mod canon;
mod checker;
mod client;
mod dkim;
mod dmarc;
mod fields;
mod flaw;
mod iprev;
mod key;
mod keys;
mod lookup;
mod name;
mod reading;
mod results;
mod ruling;
mod sign;
mod signature;
pub(crate) mod spf;
pub(crate) mod tags;

pub use blocklist::try_blocklist;
pub use checker::{Checked, Checker, Options, Subject};
pub use keys::{KEYS, KeyError, KeyFolder, KeyState, SigningKey, new_ed25519};
pub use reading::Reading;
pub use results::{Claim, claim, results_field};
pub use ruling::{Enforcement, Enforcements, Listed, Ruling, rule};
pub use sign::Signer;

pub(crate) use name::is_within;

#[cfg(test)]
mod suites;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod zone;
