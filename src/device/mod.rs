//! Devices: printers, scanners and applications that must send mail, and what each of them may.
//!
//! A device is a fact of the log, as accounts are. What it may is judged by pure functions
//! ([`Device`]); [`Devices`] knows all of them, finds one by the address that it comes from or by
//! its login, and counts what it sends.

mod judge;
mod login;
mod places;
mod record;
mod rule;
mod store;
#[cfg(test)]
mod store_tests;
mod usage;
mod view;
mod wish;

pub use judge::Whose;
pub use login::LoginDenied;
pub use record::{Device, Secret, Way};
pub use rule::{AddressRule, NoRule};
pub use store::{DeviceError, Devices, Doing, Logins, NotYet};
pub use usage::Usage;
pub use view::{DeviceState, DeviceView, RefusalView};
pub use wish::{DeviceWish, Refused, Renewal};
