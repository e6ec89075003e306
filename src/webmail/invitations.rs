//! Codes of invitations: what is typed from a printed sheet, and the link that says the same.

use std::net::IpAddr;

use super::accounts::{Account, AccountError, Accounts, LoginError};
use crate::credential::{base32, digest, grouped, letters_of};
use crate::smtp::Mailbox;

/// Bytes of chance in a code: 80 bits, sixteen letters.
const CODE: usize = 10;

/// An invitation as its user gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invited {
    /// For `/invite/TOKEN`.
    pub token: String,
    /// The same to be typed at `/invite`: `ABCD-EFGH-JKLM-NPQR`.
    pub code: String,
}

impl Accounts {
    /// A new code, and the token that it stands for.
    pub(super) fn new_code(&self) -> Invited {
        let code = grouped(&base32(&self.entropy.bytes::<CODE>()));
        Invited {
            token: token_of(&code),
            code,
        }
    }

    /// As [`Self::invite`], with the code for who cannot follow a link.
    ///
    /// # Errors
    /// When it could not be stored.
    pub async fn invite_with_code(&self, address: &Mailbox) -> Result<Invited, AccountError> {
        self.make_invitation(address).await
    }

    /// The token of a code that somebody typed, while its invitation is good. Guesses are counted
    /// by where they come from, so that nobody can keep others out.
    pub(crate) async fn redeem(&self, code: &str, from: IpAddr) -> Result<String, LoginError> {
        let counted = format!("invitations from {from}");
        self.note_try(&counted, from).map_err(LoginError::Wait)?;
        let token = token_of(code);
        let found: Result<Account, AccountError> = self.invited(&token).await;
        match found {
            Ok(_) => {
                self.note_success(&counted, from);
                Ok(token)
            }
            Err(AccountError::Invitation) => Err(LoginError::Wrong),
            Err(error) => Err(LoginError::Internal(error)),
        }
    }
}

/// What a code stands for, as people type it.
fn token_of(code: &str) -> String {
    digest("invitation code", &letters_of(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_people_type_them() {
        assert_eq!(token_of("OIBD-EFGH"), token_of(" 018d efgh"));
        assert_ne!(token_of("ABCD-EFGH"), token_of("ABCD-EFGI"));
    }
}
