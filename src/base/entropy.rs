//! Chance as an argument: identifiers, tokens and jitter.

use std::fmt;
use std::sync::Arc;

/// Where random bytes come from.
pub trait EntropySource: Send + Sync + fmt::Debug {
    /// Fills `buffer` with random bytes.
    fn fill(&self, buffer: &mut [u8]);
}

/// A shared handle on the entropy source; cheap to clone.
#[derive(Debug, Clone)]
pub struct Entropy(Arc<dyn EntropySource>);

impl Entropy {
    /// Entropy that asks `source`.
    pub fn new(source: impl EntropySource + 'static) -> Self {
        Self(Arc::new(source))
    }

    /// The operating system's generator.
    #[must_use]
    pub fn system() -> Self {
        Self::new(SystemEntropy)
    }

    /// `N` random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut buffer = [0; N];
        self.0.fill(&mut buffer);
        buffer
    }

    /// A random number.
    #[must_use]
    pub fn u64(&self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }

    /// A number in `0..1`, for jitter.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what an f64 holds")]
    pub fn unit(&self) -> f64 {
        (self.u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// An unguessable token of 32 bytes as 64 hexadecimal digits.
    #[must_use]
    pub fn token(&self) -> String {
        super::hex(&self.bytes::<32>())
    }
}

/// The operating system's generator. Without it there are no safe tokens, so its failure ends
/// the program.
#[derive(Debug, Clone, Copy)]
pub struct SystemEntropy;

impl EntropySource for SystemEntropy {
    #[expect(
        clippy::expect_used,
        reason = "no safe way to go on without randomness"
    )]
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the operating system gives random bytes");
    }
}
