//! A login as a client plays it, said to a session of ours without a network: for fuzzers.

use super::Options;
use super::sasl::{Claim, Mechanism};
use super::session::{Action, BadLine, Introduces, Pipelined, Rules, Session, StartTls};
use super::submission::{Denied, Proof};
use crate::credential::ScramKeys;
use crate::limits;
use crate::route::Admission;
use crate::smtp::{Command, ForwardPath, LineDecoder, MailParameters, Reply, ReversePath};

/// Somebody who can log in.
#[derive(Debug, Clone)]
pub struct Account {
    /// As what he is known.
    pub identity: String,
    /// By what.
    pub password: String,
    /// The keys of his password.
    pub keys: ScramKeys,
}

/// How far a client comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// It is nobody.
    Nothing,
    /// It has logged in.
    In,
}

/// What a client reaches who says these lines behind EHLO, over TLS, to a listener of submission
/// where one can log in; `nonce` is ours. Each reply is heard, until it is in or has to go.
pub fn try_login(
    lines: &[u8],
    (options, account, nonce): (&Options, &Account, &str),
    mut heard: impl FnMut(&Reply),
) -> Reached {
    let rules = Encrypted(options);
    let greeting = Command::Ehlo("client.example".to_owned());
    let session = Session::new(StartTls::NotOffered);
    let (mut session, _) = session.handle(Ok(greeting), Pipelined::No, &rules);
    let mut decoder = LineDecoder::new(limits::COMMAND_LINE);
    let mut rest = lines;
    loop {
        let found = decoder.decode(rest);
        let (consumed, raw) = (found.consumed, rest);
        let (after, mut action) = match found.line {
            None => return Reached::Nothing,
            Some(Ok(line)) if session.is_answering() => session.answer(line, Pipelined::No, &rules),
            Some(Ok(line)) => {
                let command = Command::parse(line).map_err(BadLine::from);
                session.handle(command, Pipelined::No, &rules)
            }
            Some(Err(error)) => {
                let line = BadLine::of(error, raw.get(..consumed).unwrap_or_default());
                session.handle(Err(line), Pipelined::No, &rules)
            }
        };
        rest = rest.get(consumed..).unwrap_or_default();
        session = after;
        loop {
            (session, action) = match action {
                Action::Recall(identity) => {
                    let found = (keys(account, &identity), nonce.to_owned());
                    session.recalled(Ok(found), &rules)
                }
                Action::Verify(claim) => {
                    let wrong = Denied::Wrong;
                    let is_right = knows(account, claim);
                    session.verified(is_right.then_some(()).ok_or(&wrong), &rules)
                }
                Action::Reply(reply) => {
                    heard(&reply);
                    if reply.code == 235 {
                        return Reached::In;
                    }
                    break;
                }
                Action::Close(reply) | Action::Discard(_, reply, _) | Action::StartTls(reply) => {
                    heard(&reply);
                    return Reached::Nothing;
                }
                Action::Introduce(_) | Action::Content(..) | Action::Chunk(_) => {
                    return Reached::Nothing;
                }
            };
        }
    }
}

fn keys(account: &Account, identity: &str) -> ScramKeys {
    if identity == account.identity {
        account.keys.clone()
    } else {
        ScramKeys::nobodys(b"nobody", identity)
    }
}

fn knows(account: &Account, claim: Claim) -> bool {
    claim.identity == account.identity
        && match claim.proof {
            Some(Proof::Password(password)) => password == account.password,
            Some(Proof::Keys(keys)) => keys.is(&account.keys),
            None => false,
        }
}

/// A session's world in which only a login matters.
struct Encrypted<'a>(&'a Options);

impl Rules for Encrypted<'_> {
    fn options(&self) -> &Options {
        self.0
    }

    fn room(&self) -> Result<(), Reply> {
        Ok(())
    }

    fn is_encrypted(&self) -> bool {
        true
    }

    fn mechanisms(&self) -> &[Mechanism] {
        Mechanism::ALL
    }

    fn may_send_as(&self, _from: &ReversePath, _said: &MailParameters) -> Result<(), Reply> {
        Ok(())
    }

    fn introduces(&self) -> Introduces {
        Introduces::Nobody
    }

    fn is_awaited(&self) -> bool {
        false
    }

    fn admit(&self, _to: &ForwardPath) -> Admission {
        Admission::Reject(Reply::new(550, (5, 7, 1), "Nobody is here"))
    }
}
