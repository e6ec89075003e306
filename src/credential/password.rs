//! Passwords: argon2id, always in a thread that may block, never more at once than memory allows.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use crate::base::Entropy;

/// Shortest password; NIST SP 800-63B-4 §3.1.1.2 asks for 15 where nothing else protects it and
/// for 8 beside a second factor. Tries are throttled here.
pub(crate) const SHORTEST: usize = 10;
/// Longest password; beyond, hashing its bytes is a way to keep us busy.
pub(crate) const LONGEST: usize = 256;
/// Hashes at one time, 19 MiB each.
const AT_ONCE: usize = 4;

/// Hashes and verifies passwords.
#[derive(Debug, Clone)]
pub(crate) struct Passwords {
    entropy: Entropy,
    at_once: Arc<Semaphore>,
    /// The hash of a password that nobody knows: unknown users cost the same as known ones.
    nobody: Arc<str>,
}

/// The password could not be hashed.
#[derive(Debug, thiserror::Error)]
#[error("the password could not be hashed: {0}")]
pub(crate) struct HashError(String);

impl Passwords {
    pub(crate) fn new(entropy: Entropy) -> Result<Self, HashError> {
        let nobody = hash(&entropy, &entropy.token())?;
        Ok(Self {
            entropy,
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
            nobody: nobody.into(),
        })
    }

    /// The hash of a password, as a PHC string.
    pub(crate) async fn hash(&self, password: String) -> Result<String, HashError> {
        let entropy = self.entropy.clone();
        self.run(move || hash(&entropy, &password)).await?
    }

    /// Does the password belong to the hash? Without a hash the answer is no, after the same work.
    pub(crate) async fn verify(
        &self,
        password: String,
        stored: Option<String>,
    ) -> Result<bool, HashError> {
        let has_hash = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.nobody.as_ref().to_owned());
        let matches = self.run(move || verify(&password, &stored)).await?;
        Ok(matches && has_hash)
    }

    /// Runs work of this kind beside the tasks, with the same bound.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashError> {
        let permit = Arc::clone(&self.at_once).acquire_owned().await;
        let permit = permit.map_err(|error| HashError(error.to_string()))?;
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        task.await.map_err(|error| HashError(error.to_string()))
    }
}

fn hash(entropy: &Entropy, password: &str) -> Result<String, HashError> {
    let salt = entropy.bytes::<16>();
    // Argon2::default() is argon2id, 19 MiB, 2 passes, 1 lane.
    let hash: PasswordHash = Argon2::default()
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map_err(|error| HashError(error.to_string()))?;
    Ok(hash.to_string())
}

fn verify(password: &str, stored: &str) -> bool {
    PasswordHash::new(stored).is_ok_and(|hash| {
        Argon2::default()
            .verify_password(password.as_bytes(), &hash)
            .is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_matches() {
        let passwords = Passwords::new(Entropy::system()).unwrap();
        let stored = passwords.hash("correct horse".to_owned()).await.unwrap();
        assert!(
            stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{stored}"
        );
        let check = |password: &str, stored: Option<String>| {
            let (passwords, password) = (passwords.clone(), password.to_owned());
            async move { passwords.verify(password, stored).await.unwrap() }
        };
        assert!(check("correct horse", Some(stored.clone())).await);
        assert!(!check("Correct horse", Some(stored.clone())).await);
        assert!(!check("", Some(stored)).await);
        assert!(!check("correct horse", None).await);
        assert!(!check("x", Some("damaged".to_owned())).await);
        let nobody = passwords.nobody.as_ref().to_owned();
        assert!(PasswordHash::new(&nobody).is_ok());
    }
}
