//! What became durable, in the program's log: one line for each event of a message, so that its id
//! tells its life. `docs/logs.md` names them.
//!
//! Here and not where things are done, so that no way to do them is without its line. Written by
//! the writer behind the sync, in the order of the log: a line says what is so.

use super::event::{Entry, EventLine, MessageLine};
use crate::limits;
use crate::mail::{Landing, RecipientEvent, ReplayStep, SpoolId};

/// Writes the lines of an entry; facts have none.
pub(super) fn tell(entry: &Entry) {
    // Nothing is put together for nobody.
    if !tracing::enabled!(tracing::Level::WARN) {
        return;
    }
    match entry {
        Entry::Message { line, body_len } => accepted(line, u64::from(*body_len)),
        Entry::Event(line) => tell_event(line),
        Entry::Fact(_) | Entry::Other => {}
    }
}

fn accepted(line: &MessageLine, body_len: u64) {
    let (id, envelope) = (line.id, &line.envelope);
    let size = line.file.as_ref().map_or(body_len, |file| file.size);
    let (peer, recipients) = (&envelope.peer, envelope.recipients.len());
    let named = envelope.recipients.iter().take(limits::LOG_RECIPIENTS);
    let to: Vec<String> = named.map(|one| one.address.to_string()).collect();
    tracing::info!(%id, peer = peer.address, protocol = peer.protocol,
        user = peer.user, device = peer.device, tls = peer.tls,
        certificate = peer.certificate, from = %envelope.from, to = to.join(","),
        recipients, size, message_id = envelope.message_id, seconds = age(line), "accepted");
    for (number, reason) in &line.held {
        tracing::warn!(%id, numbers = %number, %reason, "held");
    }
    let all = 0..u16::try_from(recipients).unwrap_or(u16::MAX);
    for number in all.filter(|_| line.carried.is_none()) {
        if let Some(actor) = envelope.dropped(number) {
            let reason = envelope.automatic.as_ref().map(|it| it.sign.as_str());
            tracing::warn!(%id, numbers = %number, actor, reason, "dropped");
        }
    }
}

/// Seconds from the beginning of a message to its acceptance.
fn age(line: &MessageLine) -> f64 {
    line.at.since(line.id.timestamp()).as_secs_f64()
}

fn looked_for((id, numbers): (SpoolId, &str), backend: &str, landing: &Landing) {
    let folder = match landing {
        Landing::Found { folder, .. } => Some(folder),
        Landing::Missing => None,
    };
    let found = landing.name();
    tracing::info!(%id, numbers, backend, found, folder, "looked for");
}

fn tell_event(line: &EventLine) {
    use RecipientEvent as Event;

    let (id, numbers) = (line.id, numbers(&line.recipients));
    let seconds = line.at.since(id.timestamp()).as_secs_f64();
    match &line.event {
        Event::Attempted { backend } => tracing::debug!(%id, numbers, %backend, "attempted"),
        Event::Interrupted { uncertain } => {
            tracing::info!(%id, numbers, uncertain, "interrupted");
        }
        Event::Delivered {
            backend,
            reply,
            delivery_address: to,
            tls,
            diverted_from,
        } => {
            let diverted_from = diverted_from.as_ref().map(ToString::to_string);
            tracing::info!(%id, numbers, to, %backend, %reply, tls, diverted_from, seconds,
                "delivered");
        }
        Event::Deferred {
            backend,
            failure,
            due,
            ..
        } => {
            tracing::info!(%id, numbers, %backend, reply = %failure, %due, seconds, "deferred");
        }
        Event::Paced { due, sender } => {
            let sender = sender.as_ref().map(|it| it.sender.as_str());
            tracing::debug!(%id, numbers, %due, sender, "paced");
        }
        Event::Rerouted { lane } => tracing::info!(%id, numbers, lane, "rerouted"),
        Event::Held { reason } => tracing::warn!(%id, numbers, %reason, "held"),
        Event::Released { actor, reason, .. } => {
            let reason = said(reason);
            tracing::info!(%id, numbers, actor, reason, "released");
        }
        Event::Bounced {
            failure,
            backend,
            actor,
            reason,
        } => {
            let backend = backend.as_ref().map(ToString::to_string);
            let (actor, reason) = (said(actor), said(reason));
            tracing::warn!(%id, numbers, backend, reply = %failure, actor, reason, seconds,
                "bounced");
        }
        Event::Dropped { actor, reason } => {
            let reason = said(reason);
            tracing::warn!(%id, numbers, actor, reason, "dropped");
        }
        Event::Expanded { into, people } => {
            let into = into.map(|id| id.to_string());
            tracing::info!(%id, numbers, into, people, "expanded");
        }
        Event::Landing { backend, landing } => {
            looked_for((id, &numbers), backend.as_str(), landing);
        }
        Event::Replay {
            replay,
            backend,
            step,
            ..
        } => {
            replayed((id, &numbers), (replay, backend.as_str()), step);
        }
    }
}

fn replayed((id, numbers): (SpoolId, &str), (replay, backend): (&str, &str), step: &ReplayStep) {
    match step {
        ReplayStep::Attempted => {
            tracing::debug!(%id, numbers, backend, replay, "replay attempted");
        }
        ReplayStep::Interrupted { uncertain } => {
            tracing::info!(%id, numbers, backend, replay, uncertain, "replay interrupted");
        }
        ReplayStep::Delivered {
            reply,
            delivery_address: to,
            ..
        } => {
            tracing::info!(%id, numbers, to, backend, replay, %reply, "replay delivered");
        }
        ReplayStep::Deferred { failure, due, .. } => {
            tracing::info!(%id, numbers, backend, replay, reply = %failure, %due,
                "replay deferred");
        }
        ReplayStep::Refused { failure } => {
            tracing::warn!(%id, numbers, backend, replay, reply = %failure,
                "replay refused");
        }
    }
}

/// Nothing is no word.
fn said(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// `0,1,2`: places in the list of recipients.
fn numbers(numbers: &[u16]) -> String {
    let all: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    all.join(",")
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::sync::{Arc, Mutex};

    use tracing::field::{Field, Visit};
    use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

    use super::*;
    use crate::base::Timestamp;
    use crate::mail::{BackendId, Envelope, Failure, HoldReason, NodeId, Peer, Recipient};
    use crate::smtp::{MailParameters, RcptParameters, Reply, ReversePath};

    #[derive(Clone, Default)]
    struct Heard(Arc<Mutex<String>>);

    impl Visit for Heard {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            write!(self.0.lock().unwrap(), "{}={value:?} ", field.name()).unwrap();
        }
    }

    impl<S: tracing::Subscriber> Layer<S> for Heard {
        fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
            event.record(&mut self.clone());
            self.0.lock().unwrap().push('\n');
        }
    }

    fn heard(entry: &Entry) -> Vec<String> {
        let heard = Heard::default();
        let subscriber = tracing_subscriber::registry().with(heard.clone());
        tracing::subscriber::with_default(subscriber, || tell(entry));
        let text = heard.0.lock().unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn id() -> SpoolId {
        "0S9W301QR0000".parse().unwrap()
    }

    fn recipient(address: &str) -> Recipient {
        Recipient {
            address: address.parse().unwrap(),
            parameters: RcptParameters::default(),
            lane: "onprem".to_owned(),
            mailbox: None,
        }
    }

    #[test]
    fn an_accepted_message_names_who_and_how_much_and_nothing_of_its_text() {
        let addresses = (0..30).map(|number| format!("u{number}@example.org"));
        let envelope = Envelope {
            from: ReversePath::Null,
            parameters: MailParameters::default(),
            recipients: addresses.map(|address| recipient(&address)).collect(),
            peer: Peer {
                address: "192.0.2.1:25".to_owned(),
                protocol: "ESMTP".to_owned(),
                device: Some("scanner-3".to_owned()),
                ..Peer::default()
            },
            message_id: Some("1@example.org".to_owned()),
            subject: Some("nobody's business".to_owned()),
            header_from: Some("Private <p@example.org>".to_owned()),
            authenticity: crate::mail::Authenticity::Unproven,
            expanded: None,
            filtered: Vec::new(),
            automatic: None,
            tls_optional: false,
            verdict: None,
        };
        let line = MessageLine {
            id: id(),
            at: id()
                .timestamp()
                .after(std::time::Duration::from_millis(250)),
            node: NodeId::default(),
            file: None,
            held: vec![(
                3,
                HoldReason::NoRoute {
                    what: "nobody".to_owned(),
                },
            )],
            carried: None,
            envelope: Arc::new(envelope),
        };
        let lines = heard(&Entry::Message { line, body_len: 77 });
        assert_eq!(lines.len(), 2, "{lines:?}");
        for part in [
            "message=accepted",
            "id=0S9W301QR0000",
            "peer=\"192.0.2.1:25\"",
            "device=\"scanner-3\"",
            "u0@example.org,u1@example.org",
            "recipients=30",
            "size=77",
            "seconds=0.25",
        ] {
            assert!(lines[0].contains(part), "{part} in {lines:?}");
        }
        assert!(!lines[0].contains("u20@"), "{lines:?}");
        assert!(!lines[0].contains("business"), "{lines:?}");
        assert!(!lines[0].contains("Private"), "{lines:?}");
        assert!(lines[1].contains("message=held"), "{lines:?}");
        assert!(lines[1].contains("numbers=3"), "{lines:?}");
        assert!(lines[1].contains("id=0S9W301QR0000"), "{lines:?}");
    }

    #[test]
    fn each_event_is_one_line_with_the_id_and_the_numbers() {
        let backend = || BackendId::new("onprem");
        let failure = || Failure::without_reply(crate::mail::Blame::Backend, "timed out");
        let due = Timestamp::from_millis(1_800_000_000_000);
        let events = [
            RecipientEvent::Attempted { backend: backend() },
            RecipientEvent::Delivered {
                backend: backend(),
                reply: Reply::new(250, (2, 0, 0), "Ok"),
                delivery_address: "a@example.org".to_owned(),
                tls: None,
                diverted_from: None,
            },
            RecipientEvent::Deferred {
                backend: backend(),
                failure: failure(),
                due,
                counts: true,
            },
            RecipientEvent::Interrupted { uncertain: true },
            RecipientEvent::Paced { due, sender: None },
            RecipientEvent::Rerouted {
                lane: "cloud".to_owned(),
            },
            RecipientEvent::Bounced {
                failure: failure(),
                backend: None,
                actor: String::new(),
                reason: String::new(),
            },
            RecipientEvent::Dropped {
                actor: "root".to_owned(),
                reason: String::new(),
            },
            RecipientEvent::Landing {
                backend: backend(),
                landing: Landing::Missing,
            },
            RecipientEvent::Replay {
                replay: "r1".to_owned(),
                backend: backend(),
                step: ReplayStep::Refused { failure: failure() },
                diverted_from: None,
            },
        ];
        for event in events {
            let name = event.name();
            let lines = heard(&Entry::Event(EventLine {
                id: id(),
                at: due,
                node: NodeId::default(),
                recipients: vec![0, 7],
                event,
            }));
            assert_eq!(lines.len(), 1, "{name}: {lines:?}");
            let word = if name == "landing" {
                "looked for"
            } else {
                name
            };
            assert!(lines[0].contains(&format!("message={word}")), "{lines:?}");
            assert!(lines[0].contains("id=0S9W301QR0000"), "{lines:?}");
            assert!(lines[0].contains("numbers=\"0,7\""), "{lines:?}");
            assert!(!lines[0].contains("reason"), "{lines:?}");
        }
    }
}
