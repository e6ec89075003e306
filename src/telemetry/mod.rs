//! What the program says about itself: metric names, metrics for Prometheus, the log.
//!
//! The only room with statics: a process has one recorder and one log.

pub mod log;
pub mod names;
pub mod process;
mod prometheus;

pub use log::{LogFormat, LogOptions, LogStream};
pub use prometheus::{Metrics, MetricsError};
