//! Why nobody was let in by the provider.

/// Why nobody was let in by the provider, by who is to blame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OidcError {
    /// It cannot be asked now.
    #[error("the provider cannot be asked: {0}")]
    Away(String),
    /// What it says is not believed, or it says no.
    #[error("the provider's answer lets nobody in: {0}")]
    Refused(String),
}

impl OidcError {
    pub(super) fn away(why: impl Into<String>) -> Self {
        Self::Away(why.into())
    }

    pub(super) fn refused(why: impl Into<String>) -> Self {
        Self::Refused(why.into())
    }
}
