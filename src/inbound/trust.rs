//! Strangers are checked before their mail is taken: what was found goes into the record.

use std::collections::BTreeMap;

use super::certificate::Tenant;
use super::connection::{Connection, spool_reply};
use super::content::Content;
use super::session::Hello;
use super::transaction::Transaction;
use crate::auth::{Checked, Checker, Reading, Ruling, Subject, results_field, rule};
use crate::automatic::Sealed;
use crate::filter;
use crate::mail::{Authenticity, HoldReason, Verdict};
use crate::route::Origin;
use crate::smtp::Reply;
use crate::spool::Draft;

/// Who is held, by number, and why.
#[derive(Debug, Default)]
pub(super) struct Held {
    dmarc: Vec<(u16, HoldReason)>,
    filter: BTreeMap<u16, HoldReason>,
    automatic: Vec<(u16, HoldReason)>,
}

impl Held {
    /// One reason each. A loop is mended before anything else, but who mends it and lets the
    /// message go must know what a filter found.
    pub(super) fn with_loops(self, loops: Vec<(u16, HoldReason)>) -> Vec<(u16, HoldReason)> {
        let mut all: BTreeMap<u16, HoldReason> = self.automatic.into_iter().collect();
        all.extend(self.dmarc);
        all.extend(loops);
        all.extend(self.filter);
        all.into_iter().collect()
    }
}

impl Connection {
    /// Who checks the sender, when he is a stranger.
    pub(super) fn checker(&self) -> Option<&Checker> {
        let checker = self.server.checker.as_deref();
        // Who hands mail on by LMTP has not sent it, unless he says who has.
        if self.server.options.role.is_lmtp() && !self.is_introduced() {
            return None;
        }
        let client = self.client();
        checker.filter(|checker| self.origin == Origin::Internet && checker.checks(client))
    }

    /// A message that came whole: its sender is checked, and it is made durable.
    pub(super) async fn take(
        &self,
        mut draft: Draft,
        hello: Hello,
        mut transaction: Transaction,
        mut content: Content,
    ) -> Reply {
        let whole = content.whole(&draft, &self.server.load);
        let tenant = match self.tenant(whole, &transaction).await {
            Ok(tenant) => tenant,
            Err(reply) => return reply,
        };
        if let Err(reply) = self.check_submission(whole, &transaction).await {
            return reply;
        }
        let reading = content.take_reading();
        let checked = self.check(reading, &hello, &transaction).await;
        let (verdict, seal, name) = match checked {
            Some(checked) => (Some(checked.verdict), checked.seal, checked.name),
            None => (None, None, None),
        };
        let held = match self.rule(verdict.as_ref(), &transaction) {
            Ruling::Take(held) => held,
            Ruling::Refuse(reply) => return reply,
        };
        let who = (name.as_deref(), &hello);
        let looked_at = match self.filter(&draft, &transaction, who).await {
            filter::Ruling::Take(looked_at) => looked_at,
            filter::Ruling::Refuse(reply) => return reply,
        };
        let sealed = if seal.is_some() {
            Sealed::Yes
        } else {
            Sealed::No
        };
        let whole = content.whole(&draft, &self.server.load);
        let judged = self.judge(whole, &mut transaction, (verdict.as_ref(), sealed));
        let judged = match judged.await {
            Ok(judged) => judged,
            Err(reply) => return reply,
        };
        // The disk may take long.
        content.forget_header();
        let hostname = &self.server.options.hostname;
        // RFC 8617 §5.1: the newest set stands above all.
        let mut fields = seal.unwrap_or_default();
        if let Some(verdict) = &verdict {
            fields += &results_field(hostname, verdict);
        }
        fields += &looked_at.fields(hostname);
        if !fields.is_empty()
            && let Err(error) = draft.prepend(fields.as_bytes()).await
        {
            tracing::error!(%error, "a message could not be written");
            return spool_reply(&error);
        }
        let mut envelope = self.envelope(hello, transaction, (&content, verdict));
        if tenant == Tenant::Ours {
            envelope.authenticity = Authenticity::Relayed;
        }
        envelope.filtered = looked_at.results;
        envelope.automatic = judged.automatic.map(Box::new);
        let held = Held {
            dmarc: held,
            filter: looked_at.held,
            automatic: judged.held,
        };
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
                let to = (&transaction.recipients[..], &transaction.postmasters);
                let ruling = rule(verdict, to, &checker.options());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{AutomaticKind, BackendId, DmarcPolicy, SpoolId};

    /// Who releases what a filter found must know of it, whatever else is wrong.
    #[test]
    fn one_reason_each_and_a_filters_first() {
        let dmarc = HoldReason::Dmarc {
            domain: "bank.example".to_owned(),
            policy: DmarcPolicy::Reject,
        };
        let filter = HoldReason::Filter {
            filter: "clamav".to_owned(),
            said: "Eicar".to_owned(),
        };
        let automatic = HoldReason::Automatic {
            kind: AutomaticKind::Ndr,
            rule: "automatic.ndr.internal".to_owned(),
            sign: "Action: failed".to_owned(),
        };
        let back = HoldReason::Loop {
            given_to: BackendId::new("cloud"),
            home: BackendId::new("onprem"),
            earlier: SpoolId::from_u64(1),
        };
        let held = Held {
            dmarc: (0..4).map(|number| (number, dmarc.clone())).collect(),
            filter: [(2, filter.clone()), (3, filter)].into(),
            automatic: (3..6).map(|number| (number, automatic.clone())).collect(),
        };
        let all = held.with_loops(vec![(1, back.clone()), (3, back)]);
        let kinds: Vec<_> = all.iter().map(|(of, it)| (*of, it.kind())).collect();
        let expected = "dmarc loop filter filter automatic automatic".split(' ');
        assert_eq!(kinds, (0..).zip(expected).collect::<Vec<_>>());
    }
}
