//! For whom the webmail is open: off, read-only or full; by what operators say of everybody, a
//! domain, a group or a user, and by outages.

mod members;
mod mode;
mod outage;
mod store;

pub use mode::{Book, Mode, Person, Rule, Ruling, Scope, Setting, Unscoped, rule_for};
pub use outage::{Outage, Patience, step};
pub use store::{Activation, ActivationView, Moment, Options, OutageView, RuleView, Verdict, Wish};
