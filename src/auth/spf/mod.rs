//! SPF, RFC 7208: may this address send for that domain?

mod check;
mod macros;
mod record;

pub(super) use check::{Client, check};
pub(crate) use record::{Mechanism, Qualifier, Spf, is_record, within};

#[cfg(test)]
mod tests;
