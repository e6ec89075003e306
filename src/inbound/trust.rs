//! Strangers are checked before their mail is taken: what was found goes into the record.

use super::connection::{Connection, spool_reply};
use super::content::Content;
use super::session::Hello;
use super::transaction::Transaction;
use crate::auth::{Checked, Checker, Reading, Ruling, Subject, results_field, rule};
use crate::mail::Verdict;
use crate::route::Origin;
use crate::smtp::Reply;
use crate::spool::Draft;

impl Connection {
    /// Who checks the sender, when he is a stranger.
    pub(super) fn checker(&self) -> Option<&Checker> {
        let checker = self.server.checker.as_deref();
        let client = self.client();
        checker.filter(|checker| self.origin == Origin::Internet && checker.checks(client))
    }

    /// A message that came whole: its sender is checked, and it is made durable.
    pub(super) async fn take(
        &self,
        mut draft: Draft,
        hello: Hello,
        transaction: Transaction,
        mut content: Content,
    ) -> Reply {
        let reading = content.take_reading();
        let checked = self.check(reading, &hello, &transaction).await;
        let (verdict, seal) = match checked {
            Some(checked) => (Some(checked.verdict), checked.seal),
            None => (None, None),
        };
        let held = match self.rule(verdict.as_ref(), &transaction) {
            Ruling::Take(held) => held,
            Ruling::Refuse(reply) => return reply,
        };
        if let Some(verdict) = &verdict {
            // RFC 8617 §5.1: the newest set stands above all.
            let field = results_field(&self.server.options.hostname, verdict);
            let field = seal.unwrap_or_default() + &field;
            if let Err(error) = draft.prepend(field.as_bytes()).await {
                tracing::error!(%error, "a message could not be written");
                return spool_reply(&error);
            }
        }
        let envelope = self.envelope(hello, transaction, (&content, verdict));
        self.commit(draft, envelope, (&content.found().visits, held))
            .await
    }

    /// Checks a message that was read for it.
    async fn check(
        &self,
        reading: Option<Reading>,
        hello: &Hello,
        transaction: &Transaction,
    ) -> Option<Checked> {
        let checker = self.server.checker.as_deref()?;
        let subject = Subject {
            ip: self.client(),
            helo: &hello.name,
            from: &transaction.from,
        };
        Some(checker.check(reading?, subject).await)
    }

    /// What is done about it.
    fn rule(&self, verdict: Option<&Verdict>, transaction: &Transaction) -> Ruling {
        let checker = self.server.checker.as_deref();
        match verdict.zip(checker) {
            Some((verdict, checker)) => {
                let ruling = rule(verdict, &transaction.recipients, &checker.options());
                if let Ruling::Refuse(reply) = &ruling {
                    let from = transaction.from.to_string();
                    self.server.note_verdict(self.peer, (&from, verdict), reply);
                }
                ruling
            }
            None => Ruling::Take(Vec::new()),
        }
    }
}
