//! The world as arguments: time, chance and tasks.
//!
//! Nothing above this room asks the operating system what time it is, rolls a die or spawns a
//! bare task. Both come in through constructors, so that a simulation can supply its own.

mod clock;
mod entropy;
mod hex;
mod percent;
mod regular;
mod sampler;
mod shutdown;
mod tls_info;

pub use clock::{Clock, SystemClock, TimeSource, Timestamp};
pub use entropy::{Entropy, EntropySource, SystemEntropy};
pub use hex::hex;
pub use percent::{percent_decoded, percent_encoded, percent_encoded_part, query_words};
pub use regular::{open_regular, read_regular};
pub use sampler::Sampler;
pub use shutdown::Shutdown;
pub use tls_info::{ClientNames, ClientProof, TlsInfo};

use std::future::Future;
use std::pin::Pin;

/// A future that can be stored.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
