//! What the policy on automatic answers does with a message that came whole. It is asked before
//! the message is made durable, and what it says is part of the record: a crash changes nothing.

use metrics::counter;

use super::connection::Connection;
use super::front::Whole;
use super::transaction::Transaction;
use crate::automatic::{
    Asked, Judged, Marks, Party, Policy, Sealed, Wish, author, judge, proven, signed_by,
};
use crate::limits;
use crate::mail::{Automatic, Recipient, Verdict};
use crate::route::Origin;
use crate::smtp::{Mailbox, Notify, Reply};
use crate::telemetry::names;

impl Connection {
    /// Judges a message; wishes for reports that go, go from the recipients.
    pub(super) async fn judge(
        &self,
        whole: Whole<'_>,
        transaction: &mut Transaction,
        (verdict, sealed): (Option<&Verdict>, Sealed),
    ) -> Result<Judged, Reply> {
        let policy = self.server.policies.present();
        // Nothing is looked at for nothing.
        if policy.is_idle() {
            return Ok(Judged::default());
        }
        let header = whole.header().await?;
        let marks = Marks::read(header);
        let body = if marks.wants_body() {
            whole.body(limits::AUTOMATIC_REPORT).await?
        } else {
            Vec::new()
        };
        let sender = self.sender(&policy, (transaction, header), verdict);
        // RFC 5321 §4.5.1: what comes to the postmaster is for somebody to see.
        let is_spared = |number: u16| transaction.postmasters.contains(&number);
        let recipients: Vec<(u16, Party, Wish)> = (0..)
            .zip(&transaction.recipients)
            .filter(|(number, _)| !is_spared(*number))
            .filter_map(|(number, one)| {
                let party = self.recipient(&policy, one)?;
                Some((number, party, wish_of(one)))
            })
            .collect();
        let judged = judge(
            &policy,
            &Asked {
                from: &transaction.from,
                header,
                marks: &marks,
                body: &body,
                sender: &sender,
                recipients: &recipients,
                sealed,
            },
        );
        for number in &judged.unwished {
            if let Some(one) = transaction.recipients.get_mut(usize::from(*number)) {
                one.parameters.notify = one.parameters.notify.map(without_success);
            }
        }
        Ok(judged)
    }

    /// Whose a message is. A peer of ours is believed whom it speaks for; of a stranger only that
    /// counts which he has proved.
    fn sender(
        &self,
        policy: &Policy,
        (transaction, header): (&Transaction, &[u8]),
        verdict: Option<&Verdict>,
    ) -> Party {
        let envelope = transaction.from.mailbox();
        match self.origin {
            Origin::Trusted => {
                // RFC 3834 §3.3: an answer has the null path, and says in From whose it is.
                let author = || author(header).map(|one| self.whose(&one));
                let party = envelope.map(|one| self.whose(one)).or_else(author);
                party.unwrap_or(Party::Stranger)
            }
            Origin::Internet => {
                let Some(verdict) = verdict else {
                    return Party::Stranger;
                };
                let author = author(header);
                if let Some(one) = &author
                    && signed_by(verdict, &one.domain().key())
                    && let party @ Party::Ours { .. } = self.whose(one)
                {
                    return party;
                }
                let is_partner = |one: &Mailbox| {
                    let domain = one.domain().key();
                    policy.partners.contains(&domain)
                        && (proven(verdict, &domain) || signed_by(verdict, &domain))
                };
                if envelope.into_iter().chain(&author).any(is_partner) {
                    Party::Partner
                } else {
                    Party::Stranger
                }
            }
        }
    }

    /// Of ours, or a stranger: who is a partner has to be proved.
    fn whose(&self, one: &Mailbox) -> Party {
        self.server.admit.party(one).unwrap_or(Party::Stranger)
    }

    /// Where it goes; `None`: to the program itself.
    fn recipient(&self, policy: &Policy, one: &Recipient) -> Option<Party> {
        let party = self.server.admit.party(&one.address)?;
        let is_partner = || policy.partners.contains(&one.address.domain().key());
        Some(match party {
            Party::Stranger if one.mailbox.is_some() => Party::Ours { home: None },
            Party::Stranger if is_partner() => Party::Partner,
            party @ (Party::Ours { .. } | Party::Partner | Party::Stranger) => party,
        })
    }
}

/// Counts what was done with a message.
pub(super) fn count(automatic: Option<&Automatic>) {
    let Some(automatic) = automatic else { return };
    let kind = automatic.kind.map_or("none", |kind| kind.as_str());
    for ruling in &automatic.rulings {
        let (way, deed) = (ruling.way.as_str(), ruling.deed.as_str());
        counter!(names::AUTOMATIC, "kind" => kind, "way" => way, "deed" => deed)
            .increment(ruling.recipients.len() as u64);
    }
}

fn wish_of(one: &Recipient) -> Wish {
    match one.parameters.notify {
        Some(Notify {
            success: true,
            never: false,
            ..
        }) => Wish::Success,
        Some(_) | None => Wish::Nothing,
    }
}

/// RFC 3461 §4.1: a list cannot be empty, and who asked for success alone asked for nothing else.
const fn without_success(notify: Notify) -> Notify {
    Notify {
        success: false,
        never: !(notify.failure || notify.delay),
        ..notify
    }
}
