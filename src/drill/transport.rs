//! The end of the way of what comes back: a next hop like others, which looks for a token.

use std::sync::Arc;

use super::Drills;
use super::core::{Back, Came};
use super::probe::diagnosis;
use crate::base::{Boxed, TlsInfo};
use crate::mail::{
    Blame, Channel, Delivery, DeliveryTarget, Failure, Outcome, Transport, Unmarked,
};
use crate::route::DRILL;
use crate::smtp::Reply;

/// Bytes of a message in which a token is looked for.
const LOOKED_AT: usize = 64 * 1024;
const BACK: Reply = Reply::new(250, (2, 1, 5), "The probe is back");
const LATE: Reply = Reply::new(250, (2, 1, 5), "The probe is back, too late");
const UNKNOWN: Reply = Reply::new(
    550,
    (5, 7, 1),
    "This address takes probes of this server only",
);

/// Any transport, with the drill's address at its side.
#[derive(Debug)]
pub struct DrillTransport {
    /// For everything else.
    pub others: Arc<dyn Transport>,
    /// What is drilled.
    pub drills: Drills,
}

impl Transport for DrillTransport {
    fn open<'a>(
        &'a self,
        target: &'a DeliveryTarget,
    ) -> Boxed<'a, Result<Box<dyn Channel>, Failure>> {
        if *target != DeliveryTarget::Relay(DRILL.to_owned()) {
            return self.others.open(target);
        }
        let channel = End(self.drills.clone());
        Box::pin(std::future::ready(
            Ok(Box::new(channel) as Box<dyn Channel>),
        ))
    }
}

/// Where probes end.
struct End(Drills);

impl End {
    async fn take(&self, delivery: &Delivery) -> Outcome {
        let body = Arc::clone(&delivery.body);
        let read = tokio::task::spawn_blocking(move || body.front(LOOKED_AT)).await;
        let text = match read {
            Ok(Ok(text)) => text,
            Ok(Err(error)) => return failed(error.to_string()),
            Err(error) => return failed(error.to_string()),
        };
        let peer = &delivery.envelope.peer;
        let back = Back {
            id: Some(delivery.id),
            peer: peer.address.clone(),
            helo: peer.helo.clone(),
            tls: peer.tls.clone(),
        };
        let is_report = delivery.envelope.from.mailbox().is_none();
        let failure = is_report.then(|| diagnosis(&text));
        let reply = match self
            .0
            .came(&text, (back, failure), delivery.id.timestamp())
            .await
        {
            Came::Probe(_) => BACK,
            Came::Late => LATE,
            Came::Unknown => {
                return Outcome::Failed(Failure::replied(Blame::Message, UNKNOWN));
            }
        };
        Outcome::Delivered { reply }
    }
}

fn failed(what: String) -> Outcome {
    Outcome::Failed(Failure::without_reply(Blame::Message, what))
}

impl Channel for End {
    fn deliver<'a>(
        &'a mut self,
        delivery: &'a Delivery,
        before_end: Boxed<'a, Result<(), Unmarked>>,
    ) -> Boxed<'a, Vec<Outcome>> {
        Box::pin(async move {
            let all = delivery.recipients.len();
            if let Err(unmarked) = before_end.await {
                return vec![failed(unmarked.to_string()); all];
            }
            vec![self.take(delivery).await; all]
        })
    }

    fn is_usable(&self) -> bool {
        true
    }

    fn peer(&self) -> &'static str {
        DRILL
    }

    fn tls(&self) -> Option<&TlsInfo> {
        None
    }

    fn quit(self: Box<Self>) -> Boxed<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}
