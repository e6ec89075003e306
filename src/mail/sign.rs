//! A seam: somebody looks at what we write on its way into the spool, and puts fields in front.

use std::fmt;

/// Signs what we originate.
pub trait Sign: Send + Sync + fmt::Debug {
    /// Begins with a message; `None`: there is nothing to sign with.
    fn begin(&self) -> Option<Box<dyn Signing>>;
    /// What is wrong with the keys, for people.
    fn problem(&self) -> Option<String>;
}

/// One message.
pub trait Signing: Send + Sync + fmt::Debug {
    /// The next piece of it.
    fn push(&mut self, piece: &[u8]);
    /// Its end: what belongs in front of it.
    fn finish(self: Box<Self>) -> Vec<u8>;
}
