//! What is written down of a message: our trace line, its envelope, and the record in the spool.

use metrics::counter;

use super::automatic::count;
use super::connection::{Connection, spool_reply};
use super::content::Content;
use super::session::Hello;
use super::transaction::Transaction;
use super::trust::Held;
use crate::directory::is_encapsulated;
use crate::mail::{Authenticity, Envelope, Peer, SpoolId, Trace, Verdict};
use crate::route::Origin;
use crate::smtp::Reply;
use crate::spool::Draft;
use crate::telemetry::names;

impl Connection {
    pub(super) fn trace(&self, hello: &Hello, transaction: &Transaction, id: SpoolId) -> String {
        let recipient = match transaction.recipients.as_slice() {
            [only] => Some(&only.address),
            _ => None,
        };
        let trace = Trace {
            helo: &hello.name,
            peer: self.peer.ip().to_canonical(),
            hostname: &self.server.options.hostname,
            protocol: self.protocol(hello, transaction),
            tls: self.tls.as_ref(),
            certificate: self.certificate(),
            id,
            recipient,
            at: self.server.clock.now(),
        };
        trace.to_string()
    }

    /// RFC 3848, RFC 6531 §4.3.
    fn protocol(&self, hello: &Hello, transaction: &Transaction) -> &'static str {
        let is_utf8 = transaction.parameters.smtputf8;
        // A login goes over TLS only.
        let is_lmtp = self.server.options.role.is_lmtp();
        match (self.tls.is_some(), self.login.is_some()) {
            (false, _) if is_lmtp && is_utf8 => "UTF8LMTP",
            (true, _) if is_lmtp && is_utf8 => "UTF8LMTPS",
            (false, _) if is_lmtp => "LMTP",
            (true, _) if is_lmtp => "LMTPS",
            _ if !hello.extended => "SMTP",
            (false, _) if is_utf8 => "UTF8SMTP",
            (false, _) => "ESMTP",
            (true, false) if is_utf8 => "UTF8SMTPS",
            (true, false) => "ESMTPS",
            (true, true) if is_utf8 => "UTF8SMTPSA",
            (true, true) => "ESMTPSA",
        }
    }

    pub(super) fn envelope(
        &self,
        hello: Hello,
        transaction: Transaction,
        (content, verdict): (&Content, Option<Verdict>),
    ) -> Envelope {
        let found = content.found();
        let submitter = self.submitter();
        let needs_tls = transaction.parameters.requiretls;
        Envelope {
            peer: Peer {
                address: self.peer.to_string(),
                protocol: self.protocol(&hello, &transaction).to_owned(),
                helo: hello.name,
                tls: self.tls.as_ref().map(ToString::to_string),
                certificate: self.certificate().map(str::to_owned),
                user: submitter.map(|one| one.user.clone()),
                device: self.device_name(),
            },
            from: transaction.from,
            parameters: transaction.parameters,
            recipients: transaction.recipients,
            message_id: found.message_id(),
            subject: found.subject(),
            header_from: found.from(),
            authenticity: match self.origin {
                // MAIL FROM is his own. What a device sends is no letter of the one who has the
                // address.
                _ if submitter.is_some_and(|one| one.device.is_none()) => Authenticity::Local,
                Origin::Internet => Authenticity::Unproven,
                Origin::Trusted => Authenticity::Relayed,
            },
            expanded: None,
            filtered: Vec::new(),
            verdict: verdict.map(Box::new),
            automatic: None,
            // RFC 8689 §4.1: who asks for TLS by REQUIRETLS gets it, whatever the header says.
            tls_optional: !needs_tls && found.is_tls_optional(),
        }
    }

    /// Makes it durable; only then 250 (I1).
    pub(super) async fn commit(
        &self,
        draft: Draft,
        mut envelope: Envelope,
        (visits, held): (&[String], Held),
    ) -> Reply {
        let size = draft.len();
        let from = envelope.from.to_string();
        let recipients = envelope.recipients.len();
        let now = self.server.clock.now();
        let guard = self.server.loops.as_ref();
        let loops = guard.map(|guard| guard.check(visits, &envelope, now));
        let held = held.with_loops(loops.unwrap_or_default());
        envelope.spare(&held);
        let all = envelope.recipients.iter().map(|it| &it.address);
        let encapsulated: Vec<_> = all.filter(|it| is_encapsulated(it)).cloned().collect();
        let automatic = envelope.automatic.clone();
        let id = draft.id();
        match self.server.spool.accept_held(draft, envelope, held).await {
            Ok(id) => {
                let listener = self.server.options.listener.clone();
                counter!(names::MESSAGES_ACCEPTED, "listener" => listener.clone()).increment(1);
                counter!(names::BYTES_ACCEPTED, "listener" => listener).increment(size);
                count(automatic.as_deref());
                for address in &encapsulated {
                    self.server.admit.encapsulated(address, &from, now);
                }
                Reply::with_text(250, (2, 0, 0), format!("Ok: queued as {id}"))
            }
            Err(error) => {
                let peer = self.peer;
                tracing::error!(%id, %error, %peer, from, recipients, size, "not accepted");
                spool_reply(&error)
            }
        }
    }
}
