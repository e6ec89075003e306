//! The platforms: what they are, how to talk to them, and how they are.
//!
//! The [`Detector`] draws the conclusion from signals, the [`Board`] keeps it for everybody to
//! read, the [`Monitor`] sends the probes.

mod addressee;
mod board;
mod breaker;
mod content;
mod detector;
mod health;
mod held_spans;
mod history;
mod monitor;
mod operator;
mod options;
mod rejecting;
mod showing;

pub use addressee::{Addressee, Form, LastAsked, Prospect, RefusedAtRcpt};
pub use board::{Board, Evidence, Healths, HostResult};
pub use breaker::{Breaker, End, Ground, Rejecting, RejectingOptions};
pub use content::{ContentGuard, Doubt};
pub use detector::Detector;
pub use health::{BackendHealth, Health, Signal, Witness, asks_to_slow_down};
pub use history::{Became, HealthChange, keep_history, restore_history};
pub use monitor::{Monitor, Prober};
pub use operator::{Override, Wish, override_backend, restore_overrides};
pub use options::{
    BackendOptions, Credentials, Hosts, Mechanism, ProbeOptions, Proof, Protocol, SecretFile,
    SessionBounds, TlsPolicy,
};
