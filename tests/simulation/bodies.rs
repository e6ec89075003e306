//! Bodies of messages, as platforms read them.

use std::hash::{DefaultHasher, Hasher as _};

use tideover::mail::BodySource;

/// Of all bytes of a body.
pub(crate) fn digest(body: &dyn BodySource) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut offset = 0;
    loop {
        let bytes = body.read_at(offset, 1024 * 1024).unwrap();
        if bytes.is_empty() {
            return hasher.finish();
        }
        hasher.write(&bytes);
        offset += bytes.len() as u64;
    }
}

/// Reads a body to its end, as a platform that takes it does.
pub(crate) fn read_all(body: &dyn BodySource) -> std::io::Result<()> {
    let mut at = 0;
    while at < body.len() {
        at += body.read_at(at, 2 * 1024)?.len() as u64;
    }
    Ok(())
}
