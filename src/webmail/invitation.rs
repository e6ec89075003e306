//! Calendar invitations: the card that is shown of one, and the answer, which is a letter of the
//! user's with a calendar object in it (RFC 6047).

use serde::{Deserialize, Serialize};

use super::Webmail;
use super::accounts::blocking;
use super::drafts::{Draft, Name};
use super::error::WebError;
use super::guard::User;
use super::letter::{one_listed, thread};
use super::mailbox::Content;
use super::moment::Moments;
use super::outbox::{Sent, Unsent};
use super::texts::{Texts, fill};
use crate::base::Timestamp;
use crate::mail::calendar::{Answer, Guest, Invitation, Method};
use crate::mail::{ParsedMessage, Person, SpoolId};

/// Facts: what a user answered, `ACCOUNT/MESSAGE`.
pub(super) const ANSWERS: &str = "webmail-answer";
/// Guests that are named.
const GUESTS: usize = 20;

/// What was answered, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answered {
    answer: Stored,
    at: Timestamp,
}

/// As it stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stored {
    Accepted,
    Tentative,
    Declined,
}

/// What the page shows of an invitation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Card {
    /// What kind it is.
    pub kind: &'static str,
    pub title: String,
    pub when: String,
    pub place: String,
    pub organizer: String,
    /// Each with what he answered.
    pub guests: Vec<(String, &'static str)>,
    pub more: usize,
    /// What this user answered here.
    pub answered: Option<String>,
    /// May he answer?
    pub can_answer: bool,
}

/// The answer of this name in a form.
pub(crate) fn answer_of(name: &str) -> Option<Answer> {
    Some(match name {
        "accepted" => Answer::Accepted,
        "tentative" => Answer::Tentative,
        "declined" => Answer::Declined,
        _ => return None,
    })
}

/// The invitation of a message, if there is one in it, and the number of its part.
pub(crate) fn invitation(message: &ParsedMessage) -> Option<(usize, Invitation)> {
    let mut calendars = message
        .parts
        .iter()
        .filter(|part| is_calendar(&part.content_type));
    calendars.find_map(|part| {
        let found = Invitation::parse(part.unfolded_text().as_bytes())?;
        Some((part.number, found))
    })
}

/// Is this a calendar object?
fn is_calendar(content_type: &str) -> bool {
    matches!(content_type, "text/calendar" | "application/ics")
}

/// The card of an invitation for this user.
pub(crate) fn card(
    invitation: &Invitation,
    user: &User,
    (answered, moments): (Option<Answered>, &Moments),
) -> Card {
    let texts = moments.texts;
    let guest = invitation.guest(&user.addresses);
    let asks = invitation.method == Method::Request;
    let start = invitation.start.as_ref();
    let mut when = start.map_or_else(
        || texts.event_unknown_time.to_owned(),
        |start| moments.event(start, invitation.end.as_ref()),
    );
    if invitation.repeats {
        when = fill(texts.event_repeats, &[("when", &when)]);
    }
    let guests = invitation.guests.iter().take(GUESTS);
    let title = Some(invitation.summary.clone()).filter(|title| !title.is_empty());
    Card {
        kind: match invitation.method {
            Method::Request => texts.event_request,
            Method::Cancel => texts.event_cancel,
            Method::Reply => texts.event_reply,
            Method::Publish => texts.event_publish,
        },
        title: title.unwrap_or_else(|| texts.no_subject.to_owned()),
        when,
        place: invitation.location.clone(),
        organizer: invitation
            .organizer
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        guests: guests
            .map(|guest| (guest.to_string(), said(guest.answer, texts)))
            .collect(),
        more: invitation.guests.len().saturating_sub(GUESTS),
        answered: answered.map(|answered| {
            let time = moments.long(answered.at);
            let answer = said(Some(answered.answer.into()), texts);
            fill(texts.event_answered, &[("answer", answer), ("time", &time)])
        }),
        can_answer: asks && guest.is_some() && invitation.organizer.is_some(),
    }
}

/// An answer in a word.
const fn said(answer: Option<Answer>, texts: &Texts) -> &'static str {
    match answer {
        Some(Answer::Accepted) => texts.event_accepted,
        Some(Answer::Tentative) => texts.event_tentative,
        Some(Answer::Declined) => texts.event_declined,
        None => "",
    }
}

impl Webmail {
    /// What the user answered to the invitation in this message.
    pub(crate) async fn answered(
        &self,
        user: &User,
        id: SpoolId,
    ) -> Result<Option<Answered>, WebError> {
        let (spool, key) = (self.0.world.spool.clone(), key(user, id));
        let fact = blocking(move || spool.fact(ANSWERS, &key)).await??;
        Ok(fact.and_then(|value| serde_json::from_value(value).ok()))
    }

    /// Sends the user's answer to the invitation in a message of his: whether it leaves at once,
    /// and the token of the letter.
    pub(crate) async fn answer(
        &self,
        user: &User,
        (id, answer): (SpoolId, Answer),
    ) -> Result<(Sent, String), Unsent> {
        let opened = self.open(user, id).await?;
        let Content::Parsed(message) = opened.content else {
            return Err(WebError::NotFound.into());
        };
        let moments = self.moments(user.visitor.texts);
        let draft = answer_draft(&message, user, (answer, &moments)).ok_or(WebError::NotFound)?;
        let draft = Draft {
            answers: Some(id),
            ..draft
        };
        let name = Name::new(user.account(), &self.0.world.entropy.token());
        let sent = self
            .send(&name, (&user.person, &user.addresses), &draft)
            .await?;
        let answered = Answered {
            answer: answer.into(),
            at: moments.now,
        };
        let value = serde_json::to_value(answered).map_err(|_| WebError::Internal)?;
        let spool = &self.0.world.spool;
        spool.put_fact(ANSWERS, &key(user, id), Some(value)).await?;
        Ok((sent, name.token))
    }
}

fn key(user: &User, id: SpoolId) -> String {
    format!("{}/{id}", user.account())
}

/// The letter of an answer; `None` when the message is no invitation for this user.
fn answer_draft(
    message: &ParsedMessage,
    user: &User,
    (answer, moments): (Answer, &Moments),
) -> Option<Draft> {
    let texts = moments.texts;
    let (_, invitation) = invitation(message)?;
    if invitation.method != Method::Request {
        return None;
    }
    let guest = invitation.guest(&user.addresses)?;
    let organizer = invitation.organizer.as_ref()?;
    let word = said(Some(answer), texts);
    let when = invitation.start.as_ref();
    let when = when.map(|start| moments.event(start, invitation.end.as_ref()));
    let subject = fill(
        texts.event_answer_subject,
        &[("answer", word), ("title", &invitation.summary)],
    );
    Some(Draft {
        from: guest.address.to_string(),
        to: listed(organizer),
        text: format!("{subject}\n{}\n", when.unwrap_or_default()),
        subject,
        references: thread(message),
        calendar: Some(invitation.reply(guest, answer, moments.now)),
        changed: moments.now,
        ..Draft::default()
    })
}

fn listed(guest: &Guest) -> String {
    one_listed(&Person {
        name: guest.name.clone(),
        address: guest.address.to_string(),
    })
}

impl From<Answer> for Stored {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Accepted => Self::Accepted,
            Answer::Tentative => Self::Tentative,
            Answer::Declined => Self::Declined,
        }
    }
}

impl From<Stored> for Answer {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Accepted => Self::Accepted,
            Stored::Tentative => Self::Tentative,
            Stored::Declined => Self::Declined,
        }
    }
}
