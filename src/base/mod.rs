//! The world as arguments: time, chance and tasks.
//!
//! Nothing above this room asks the operating system what time it is, rolls a die or spawns a
//! bare task. Both come in through constructors, so that a simulation can supply its own.

mod clock;
mod entropy;
mod shutdown;

pub use clock::{Clock, SystemClock, TimeSource, Timestamp};
pub use entropy::{Entropy, EntropySource, SystemEntropy};
pub use shutdown::Shutdown;
