//! Who is at the other end, as far as he has proven it.

use std::net::{IpAddr, Ipv4Addr};

use metrics::counter;

use super::connection::{Connection, End};
use super::device::Known;
use super::sasl::{Claim, Mechanism};
use super::session::{Action, Session};
use super::submission::{Denied, Submitter};
use super::wire::Wire;
use crate::credential::ScramKeys;
use crate::filter::Login;
use crate::route::Origin;
use crate::smtp::{MailParameters, Reply, ReversePath};
use crate::telemetry::names;

/// A client that has logged in.
#[derive(Debug)]
pub(super) struct LoggedIn {
    submitter: Submitter,
    mechanism: Mechanism,
    /// Why he may not send now after all.
    denied: Option<Denied>,
}

impl Connection {
    /// Who has logged in, while he may send.
    pub(super) fn submitter(&self) -> Option<&Submitter> {
        let login = self.login.as_ref().filter(|login| login.denied.is_none());
        login.map(|login| &login.submitter)
    }

    /// The same, as content filters are told.
    pub(super) fn login_told(&self) -> Option<Login<'_>> {
        let login = self.login.as_ref().filter(|login| login.denied.is_none());
        login.map(|login| Login {
            user: &login.submitter.user,
            mechanism: login.mechanism.name(),
        })
    }

    /// Would everybody who can log in by a password come in by SCRAM?
    pub(super) async fn look_for_mechanisms(&mut self) {
        let Some(submitters) = self.server.submitters.clone() else {
            return;
        };
        let options = &self.server.options;
        if options.takes_logins() && self.tls.is_some() && self.login.is_none() {
            // Of the password of a device no such keys are kept.
            let is_for_people = options.role.wants_login();
            self.mechanisms = if is_for_people && submitters.offers_scram().await {
                Mechanism::ALL
            } else {
                Mechanism::BY_PASSWORD
            };
        }
    }

    /// What a login asks of others is asked; everything else stays as it is.
    pub(super) async fn find_out(
        &mut self,
        wire: &mut Wire,
        (session, action): (Session, Action),
    ) -> Result<(Session, Action), End> {
        match action {
            Action::Recall(identity) => {
                let found = self.recall(wire, &identity).await?;
                Ok(session.recalled(found.as_ref().cloned(), &*self))
            }
            Action::Verify(claim) => {
                let verdict = self.verify(wire, claim).await?;
                Ok(session.verified(verdict.as_ref().copied(), &*self))
            }
            action @ (Action::Reply(_)
            | Action::Close(_)
            | Action::StartTls(_)
            | Action::Introduce(_)
            | Action::Content(..)
            | Action::Chunk(_)
            | Action::Discard(..)) => Ok((session, action)),
        }
    }

    /// The keys of somebody, and a fresh nonce.
    async fn recall(
        &mut self,
        wire: &mut Wire,
        identity: &str,
    ) -> Result<Result<(ScramKeys, String), Denied>, End> {
        self.deliver(wire).await?;
        let Some(submitters) = self.server.submitters.clone() else {
            return Ok(Err(Denied::Wrong));
        };
        let from = self.login_address();
        let found = submitters.scram_keys(identity, from).await;
        if let Err(denied) = &found {
            let who = submitters.shown(identity);
            self.note_login(Mechanism::ScramSha256, (&who, Some(denied)));
        }
        Ok(found)
    }

    /// Asks whether a client is who it says; it has the replies to what it said before.
    async fn verify(&mut self, wire: &mut Wire, claim: Claim) -> Result<Result<(), Denied>, End> {
        self.deliver(wire).await?;
        let Claim {
            mechanism,
            identity,
            proof,
        } = claim;
        let Some(submitters) = self.server.submitters.clone() else {
            return Ok(Err(Denied::Wrong));
        };
        let from = self.login_address();
        let verdict = match proof {
            Some(proof) if self.may_be_asked(&identity) => {
                let verified = submitters.verify(&identity, proof, from).await;
                verified.and_then(|submitter| self.let_in(submitter))
            }
            Some(_) | None => Err(Denied::Wrong),
        };
        self.note_login(
            mechanism,
            (&submitters.shown(&identity), verdict.as_ref().err()),
        );
        Ok(verdict.map(|submitter| {
            self.origin = Origin::Trusted;
            self.known = Known::logged_in(&submitter);
            self.login = Some(LoggedIn {
                submitter,
                mechanism,
                denied: None,
            });
        }))
    }

    /// Where devices log in, nobody is asked about a person: port 25 is open to the whole world,
    /// and no place to try the passwords of people at. The name of a device has no `@`.
    fn may_be_asked(&self, identity: &str) -> bool {
        self.server.options.role.wants_login() || !identity.contains('@')
    }

    /// Is it one who may log in at this listener?
    fn let_in(&self, submitter: Submitter) -> Result<Submitter, Denied> {
        let is_right = self.server.options.role.wants_login() || submitter.device.is_some();
        is_right.then_some(submitter).ok_or(Denied::Wrong)
    }

    /// Where it comes from. Whose address nobody says has none that a device may have.
    fn login_address(&self) -> IpAddr {
        self.client().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    fn note_login(&self, mechanism: Mechanism, (who, denied): (&str, Option<&Denied>)) {
        let outcome = denied.map_or("in", Denied::outcome);
        let (listener, mechanism) = (&self.server.options.listener, mechanism.name());
        counter!(names::SUBMISSION_LOGINS, "listener" => listener.clone(),
            "mechanism" => mechanism, "outcome" => outcome)
        .increment(1);
        self.server.note_login(self.peer, (who, mechanism, outcome));
    }

    /// Asks before a message whether he may still send: programs stay logged in.
    pub(super) async fn renew(&mut self, wire: &mut Wire) -> Result<(), End> {
        let Some((login, submitters)) = self.login.as_mut().zip(self.server.submitters.clone())
        else {
            return Ok(());
        };
        match submitters.renew(&login.submitter).await {
            Ok(submitter) => {
                self.known = Known::logged_in(&submitter);
                login.submitter = submitter;
                login.denied = None;
                self.origin = Origin::Trusted;
            }
            Err(denied) => {
                login.denied = Some(denied);
                self.origin = Origin::Internet;
            }
        }
        self.deliver(wire).await
    }

    /// Is the sender one of his addresses? The null reverse-path is for receipts, which show when
    /// they have come.
    pub(super) fn check_sender(
        &self,
        from: &ReversePath,
        said: &MailParameters,
    ) -> Result<(), Reply> {
        let Some(login) = &self.login else {
            return if self.server.options.role.wants_login() {
                Err(Denied::Shut.reply())
            } else {
                Ok(())
            };
        };
        if let Some(denied) = &login.denied {
            return Err(denied.reply());
        }
        match from {
            ReversePath::Mailbox(address) if !login.submitter.owns(address) => {
                let what = format!("<{address}> is not yours");
                let text = login.submitter.refused(&what, said);
                // RFC 6409 §6.1.
                Err(Reply::with_text(553, (5, 7, 1), text))
            }
            ReversePath::Mailbox(_) | ReversePath::Null => Ok(()),
        }
    }
}
