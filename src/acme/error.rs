//! Why there is no certificate, by whose fault.

use instant_acme::Error;

/// Why an order came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcmeError {
    /// The authority does not answer, or not as it should.
    #[error("the authority: {0}")]
    Away(String),
    /// It says no.
    #[error("the authority refuses: {0}")]
    Refused(String),
    /// What we have cannot be used, or nothing can be written.
    #[error("{0}")]
    Ours(String),
}

impl From<Error> for AcmeError {
    fn from(error: Error) -> Self {
        if let Error::Api(problem) = &error {
            Self::Refused(problem.to_string())
        } else if matches!(error, Error::KeyRejected) {
            Self::Ours("the key of the account cannot be used".to_owned())
        } else {
            Self::Away(error.to_string())
        }
    }
}
