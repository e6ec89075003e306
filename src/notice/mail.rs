//! Mail of notices: composed, signed, and handed in at a host outside, past the queue.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Parts;
use super::telling::Telling;
use super::ways::Missed;
use crate::base::Shutdown;
use crate::mail::{
    Addressee, Body, Delivery, DeliveryTarget, Envelope, Failure, Letter, Outcome, SpoolId,
};
use crate::smtp::Mailbox;

/// RFC 3834 §5: nobody's automatic answer answers it; Exchange knows the other one.
const MARKS: &[u8] = b"Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\n";

/// Sends one mail; what the other side said to it.
pub(super) async fn send(
    parts: &Parts,
    (telling, hostname): (&Telling, &str),
    (to, relay): (&Mailbox, Option<&str>),
    patience: Duration,
) -> Result<String, Missed> {
    let (target, address) = match relay {
        Some(relay) => (DeliveryTarget::Relay(relay.to_owned()), to.clone()),
        None => parts.find.target(to).map_err(Missed::ForNow)?,
    };
    let message = compose(parts, telling, (hostname, to))?;
    let delivery = Delivery {
        id: SpoolId::first_at(telling.at),
        envelope: Arc::new(Envelope::one_way(to)),
        recipients: vec![(0, address)],
        body: Arc::new(Body(Bytes::from(message))),
        stop: Shutdown::new(),
    };
    let session = async {
        let mut channel = parts.transport.open(&target).await?;
        let outcomes = channel
            .deliver(&delivery, Box::pin(std::future::ready(Ok(()))))
            .await;
        let peer = channel.peer().to_owned();
        channel.quit().await;
        let first = outcomes.into_iter().next();
        match first {
            Some(Outcome::Delivered { reply }) => Ok(format!("{peer} says {reply}")),
            Some(Outcome::Failed(failure)) => Err(failure),
            None => Err(Failure::without_reply(
                crate::mail::Blame::Message,
                "no answer",
            )),
        }
    };
    match tokio::time::timeout(patience, session).await {
        Ok(Ok(said)) => Ok(said),
        Ok(Err(failure)) if failure.is_permanent() => Err(Missed::ForGood(failure.what)),
        Ok(Err(failure)) => Err(Missed::ForNow(failure.what)),
        Err(_) => Err(Missed::ForNow(format!("{target} took too long"))),
    }
}

fn compose(
    parts: &Parts,
    telling: &Telling,
    (hostname, to): (&str, &Mailbox),
) -> Result<Vec<u8>, Missed> {
    let wrong = |what: String| Missed::ForGood(what);
    let from: Mailbox = format!("postmaster@{hostname}")
        .parse()
        .map_err(|error| wrong(format!("postmaster@{hostname}: {error}")))?;
    let to = [Addressee {
        name: None,
        address: to.clone(),
    }];
    let token = parts.entropy.token();
    let letter = Letter {
        from: (Some("Tideover"), &from),
        to: &to,
        cc: &[],
        subject: &telling.subject,
        text: &telling.text,
        html: None,
        message_id: &format!("{token}@{hostname}"),
        date: parts.clock.now(),
        references: &[],
        calendar: None,
        files: &[],
    };
    let pieces = letter.to_pieces(&parts.entropy.token());
    let pieces = pieces.map_err(|error| wrong(error.to_string()))?;
    let mut message = MARKS.to_vec();
    message.extend(pieces.into_iter().flatten());
    if !message.ends_with(b"\r\n") {
        message.extend_from_slice(b"\r\n");
    }
    let Some(mut signing) = parts.sign.begin() else {
        return Ok(message);
    };
    signing.push(&message);
    let mut signed = signing.finish();
    signed.extend_from_slice(&message);
    Ok(signed)
}
