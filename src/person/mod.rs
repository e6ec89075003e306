//! Whose an account is: a person, that is one recipient of the directory through time, and not an
//! address. Addresses go from one person to another; accounts do not.
//!
//! Pure: what is decided is kept with the account ([`Bond`]), by who owns the accounts.

mod bond;
mod judge;
mod span;

pub use bond::{Bond, Departed, Why};
pub use judge::{Belonging, Subject, belonging, confirmed, judge};
pub use span::{Span, spans};

#[cfg(test)]
mod span_tests;
#[cfg(test)]
mod tests;
