//! Strangers are checked before their mail is taken: what was found goes into the record.

use super::connection::Connection;
use super::session::Hello;
use super::transaction::Transaction;
use crate::auth::{Checker, Reading, Ruling, Subject, rule};
use crate::mail::Verdict;
use crate::route::Origin;

impl Connection {
    /// Who checks the sender, when he is a stranger.
    pub(super) fn checker(&self) -> Option<&Checker> {
        let checker = self.server.checker.as_deref();
        let ip = self.peer.ip();
        checker.filter(|checker| self.origin == Origin::Internet && checker.checks(ip))
    }

    /// Checks a message that was read for it.
    pub(super) async fn check(
        &self,
        reading: Option<Reading>,
        hello: &Hello,
        transaction: &Transaction,
    ) -> Option<Verdict> {
        let checker = self.server.checker.as_deref()?;
        let subject = Subject {
            ip: self.peer.ip().to_canonical(),
            helo: &hello.name,
            from: &transaction.from,
        };
        Some(checker.check(reading?, subject).await)
    }

    /// What is done about it.
    pub(super) fn rule(&self, verdict: Option<&Verdict>, transaction: &Transaction) -> Ruling {
        let checker = self.server.checker.as_deref();
        match verdict.zip(checker) {
            Some((verdict, checker)) => {
                let ruling = rule(verdict, &transaction.recipients, &checker.options());
                if let Ruling::Refuse(reply) = &ruling {
                    let from = transaction.from.to_string();
                    tracing::info!(peer = %self.peer, from, %verdict, %reply, "refused");
                }
                ruling
            }
            None => Ruling::Take(Vec::new()),
        }
    }
}
