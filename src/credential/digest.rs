//! Tokens: what is stored of them, and how they are compared.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::base::hex;

/// SHA-256 of a token under a purpose, as 64 hexadecimal digits. Tokens have 256 bits of entropy,
/// so a plain hash is enough; the purpose keeps one kind from standing for another.
pub(crate) fn digest(purpose: &str, token: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(purpose.as_bytes());
    hasher.update([0]);
    hasher.update(token.as_bytes());
    hex(&hasher.finalize())
}

/// Compares secrets without telling by the time it takes where they differ.
pub(crate) fn same(left: &str, right: &str) -> bool {
    left.as_bytes().ct_eq(right.as_bytes()).into()
}

/// Has the shape of [`crate::base::Entropy::token`]: 64 hexadecimal digits.
pub(crate) fn is_token(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_differ() {
        assert_ne!(digest("session", "x"), digest("csrf", "x"));
        assert!(is_token(&digest("session", "x")));
        assert!(!is_token("../../x"));
        assert!(same("a", "a") && !same("a", "b") && !same("a", "aa"));
    }
}
