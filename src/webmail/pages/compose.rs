//! Writing: new messages and answers.

use askama::Template;
use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::message::parse_id;
use crate::mail::{Addressee, Authenticity, Envelope, Letter, Peer, Recipient, SpoolId};
use crate::route::{Admission, Origin};
use crate::smtp::{MailParameters, RcptParameters, ReversePath};
use crate::spool::SpoolError;
use crate::webmail::Webmail;
use crate::webmail::accounts::blocking;
use crate::webmail::digest::is_token;
use crate::webmail::error::WebError;
use crate::webmail::frame::{Here, Shell, see_other, show, show_with};
use crate::webmail::guard::User;
use crate::webmail::letter::{
    Fields, RECIPIENTS, ReplyTo, parse_addressees, reply as reply_fields, thread,
};
use crate::webmail::mailbox::Content;
use crate::webmail::texts::fill;

#[derive(Template)]
#[template(path = "compose.html")]
struct ComposePage {
    shell: Shell,
    form: ComposeForm,
    own: String,
    errors: Vec<String>,
    is_reply: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ComposeForm {
    csrf: String,
    /// Names the letter: sent twice, it leaves once.
    token: String,
    /// The message that is answered.
    answers: String,
    to: String,
    cc: String,
    subject: String,
    text: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ComposeQuery {
    #[serde(default)]
    to: String,
}

pub(crate) async fn page(
    State(webmail): State<Webmail>,
    user: User,
    Query(query): Query<ComposeQuery>,
) -> Result<Response, WebError> {
    let form = ComposeForm {
        to: query.to,
        ..blank(&webmail, &user)
    };
    show(&compose_page(&webmail, &user, form, Vec::new()).await?)
}

pub(crate) async fn reply(
    State(webmail): State<Webmail>,
    user: User,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    answer(&webmail, &user, (&id, ReplyTo::Sender)).await
}

pub(crate) async fn reply_all(
    State(webmail): State<Webmail>,
    user: User,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    answer(&webmail, &user, (&id, ReplyTo::All)).await
}

async fn answer(
    webmail: &Webmail,
    user: &User,
    (id, to): (&str, ReplyTo),
) -> Result<Response, WebError> {
    let opened = webmail.open(user, parse_id(id)?).await?;
    let Content::Parsed(message) = opened.content else {
        return Err(WebError::NotFound);
    };
    let stored = opened.own.message;
    let moments = webmail.moments(user.visitor.texts);
    let own = user.address().clone();
    let fields = blocking(move || reply_fields(&message, &own, to, (stored.received, &moments)));
    let Fields {
        to,
        cc,
        subject,
        text,
    } = fields.await?;
    let form = ComposeForm {
        answers: stored.id.to_string(),
        to,
        cc,
        subject,
        text,
        ..blank(webmail, user)
    };
    show(&compose_page(webmail, user, form, Vec::new()).await?)
}

fn blank(webmail: &Webmail, user: &User) -> ComposeForm {
    ComposeForm {
        csrf: user.session.csrf.clone(),
        token: webmail.0.world.entropy.token(),
        ..ComposeForm::default()
    }
}

async fn compose_page(
    webmail: &Webmail,
    user: &User,
    form: ComposeForm,
    errors: Vec<String>,
) -> Result<ComposePage, WebError> {
    let texts = user.visitor.texts;
    let is_reply = !form.answers.is_empty();
    let title = if is_reply {
        texts.reply
    } else {
        texts.new_message
    };
    Ok(ComposePage {
        shell: webmail.user_shell(user, title, Here::Write).await?,
        own: user.address().to_string(),
        form,
        errors,
        is_reply,
    })
}

pub(crate) async fn send(
    State(webmail): State<Webmail>,
    user: User,
    form: Result<Form<ComposeForm>, FormRejection>,
) -> Result<Response, WebError> {
    let Form(form) = form.map_err(|refused| WebError::of_status(refused.status()))?;
    user.check(&form.csrf)?;
    if !is_token(&form.token) {
        return Err(WebError::BadRequest);
    }
    let refused = async |errors| {
        let page = compose_page(&webmail, &user, form.clone(), errors).await?;
        show_with(StatusCode::UNPROCESSABLE_ENTITY, &page)
    };
    let addressed = match addressed(&webmail, &user, &form) {
        Ok(addressed) => addressed,
        Err(errors) => return refused(errors).await,
    };
    match accept(&webmail, &user, (&form, addressed)).await {
        Ok(()) => Ok(see_other("/sent?sent=1")),
        Err(SendError::Full) => refused(vec![user.visitor.texts.error_full.to_owned()]).await,
        Err(SendError::Web(error)) => Err(error),
    }
}

/// Recipients, read and admitted.
struct Addressed {
    to: Vec<Addressee>,
    cc: Vec<Addressee>,
    recipients: Vec<Recipient>,
}

fn addressed(webmail: &Webmail, user: &User, form: &ComposeForm) -> Result<Addressed, Vec<String>> {
    let texts = user.visitor.texts;
    let mut errors = Vec::new();
    let mut read = |field: &str| {
        parse_addressees(field).unwrap_or_else(|bad| {
            let says = |address: &String| fill(texts.error_address, &[("address", address)]);
            errors.extend(bad.iter().map(says));
            Vec::new()
        })
    };
    let (to, cc) = (read(&form.to), read(&form.cc));
    if to.is_empty() && form.to.trim().is_empty() {
        errors.push(texts.error_no_recipient.to_owned());
    }
    let count = to.len() + cc.len();
    if count > RECIPIENTS {
        let (most, count) = (RECIPIENTS.to_string(), count.to_string());
        let values = [("most", most.as_str()), ("count", count.as_str())];
        return Err(vec![fill(texts.error_too_many, &values)]);
    }
    let mut recipients: Vec<Recipient> = Vec::new();
    for addressee in to.iter().chain(&cc) {
        match webmail
            .0
            .world
            .admit
            .admit(&addressee.address, Origin::Trusted)
        {
            Admission::Accept {
                address,
                lane,
                mailbox,
            } => {
                if recipients
                    .iter()
                    .any(|other| other.address.key() == address.key())
                {
                    continue;
                }
                recipients.push(Recipient {
                    address,
                    parameters: RcptParameters::default(),
                    lane,
                    mailbox,
                });
            }
            Admission::Reject(reply) => {
                let address = addressee.address.to_string();
                let values = [("address", address.as_str()), ("reason", &reply.text)];
                errors.push(fill(texts.error_rejected, &values));
            }
        }
    }
    if errors.is_empty() {
        Ok(Addressed { to, cc, recipients })
    } else {
        Err(errors)
    }
}

enum SendError {
    /// No room in the spool: the text goes back to its writer.
    Full,
    Web(WebError),
}

impl<E: Into<WebError>> From<E> for SendError {
    fn from(error: E) -> Self {
        Self::Web(error.into())
    }
}

async fn accept(
    webmail: &Webmail,
    user: &User,
    (form, addressed): (&ComposeForm, Addressed),
) -> Result<(), SendError> {
    let (spool, hostname) = (&webmail.0.world.spool, &webmail.0.options.hostname);
    let message_id = format!("{}@{hostname}", form.token);
    let references = references(webmail, user, &form.answers).await?;
    let name = webmail.name_of(user.address());
    let bytes = Letter {
        from: (name.as_deref(), user.address()),
        to: &addressed.to,
        cc: &addressed.cc,
        subject: &form.subject,
        text: &form.text,
        message_id: &message_id,
        date: webmail.0.world.clock.now(),
        references: &references,
    }
    .to_bytes()
    .map_err(|_| WebError::Internal)?;
    if matches!(spool.admission(), Err(error) if error.is_full()) {
        return Err(SendError::Full);
    }
    // One at a time, so that a form that is sent twice is seen to be there already.
    let _sending = webmail.0.sending.lock().await;
    let (known_spool, known_id) = (spool.clone(), message_id.clone());
    let known = blocking(move || known_spool.by_message_id(&known_id)).await??;
    if !known.is_empty() {
        return Ok(());
    }
    let mut draft = spool.draft();
    let received = received_line(webmail, draft.id());
    let envelope = envelope(user, (addressed.recipients, message_id), (form, name));
    let stored = async {
        draft.append(received.as_bytes()).await?;
        draft.append(&bytes).await?;
        spool.accept(draft, envelope).await
    };
    match stored.await {
        Ok(_) => Ok(()),
        Err(error) if error.is_full() => Err(SendError::Full),
        Err(error) => Err(spool_failed(error)),
    }
}

fn spool_failed(error: SpoolError) -> SendError {
    SendError::Web(error.into())
}

/// RFC 5321 §3.7.2: a gateway says that the message came through it. Where the user sits is
/// nobody's business.
fn received_line(webmail: &Webmail, id: SpoolId) -> String {
    format!(
        "Received: by {} (Tideover webmail) with HTTP id {id};\r\n\t{}\r\n",
        webmail.0.options.hostname,
        webmail.0.world.clock.now().to_rfc5322()
    )
}

fn envelope(
    user: &User,
    (recipients, message_id): (Vec<Recipient>, String),
    (form, name): (&ComposeForm, Option<String>),
) -> Envelope {
    let from = user.address();
    let is_ascii = from.is_ascii() && recipients.iter().all(|one| one.address.is_ascii());
    let subject: String = form
        .subject
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(200)
        .collect();
    let header_from = match name {
        Some(name) => format!("{name} <{from}>"),
        None => from.to_string(),
    };
    Envelope {
        // The only address that a user sends with is his own.
        from: ReversePath::Mailbox(from.clone()),
        parameters: MailParameters {
            smtputf8: !is_ascii,
            ..MailParameters::default()
        },
        recipients,
        peer: Peer {
            protocol: "webmail".to_owned(),
            user: Some(user.session.account.key()),
            ..Peer::default()
        },
        message_id: Some(message_id),
        subject: Some(subject),
        header_from: Some(header_from.chars().take(200).collect()),
        authenticity: Authenticity::Local,
    }
}

/// The thread of the message that is answered; none when it is gone or not the user's.
async fn references(
    webmail: &Webmail,
    user: &User,
    answers: &str,
) -> Result<Vec<String>, WebError> {
    let Ok(id) = answers.parse() else {
        return Ok(Vec::new());
    };
    match webmail.open(user, id).await {
        Ok(opened) => Ok(match opened.content {
            Content::Parsed(message) => thread(&message),
            Content::TooLarge | Content::Unreadable => Vec::new(),
        }),
        Err(WebError::NotFound) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
