//! What a form of a letter does: it is kept, thrown away, or sent; and called back.

use axum::Form as Fields;
use axum::extract::State;
use axum::extract::multipart::MultipartRejection;
use axum::extract::rejection::FormRejection;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::form::{Action, Form, Trouble};
use super::logged_out::Words;
use super::message::human_size;
use super::paced::Paced;
use crate::credential::is_token;
use crate::webmail::Webmail;
use crate::webmail::drafts::{MOST, Name};
use crate::webmail::error::WebError;
use crate::webmail::frame::{PAGE, see_other, show, show_with};
use crate::webmail::guard::{User, Visitor};
use crate::webmail::letter::{RECIPIENTS, thread};
use crate::webmail::mailbox::Content;
use crate::webmail::outbox::{Sent, Unsent};
use crate::webmail::recipients::Refusal;
use crate::webmail::texts::{Texts, fill};

/// Which letter, of a form with one button.
#[derive(Debug, Deserialize)]
pub(crate) struct LetterForm {
    csrf: String,
    token: String,
}

pub(crate) async fn post(
    State(webmail): State<Webmail>,
    visitor: Visitor,
    user: Result<User, WebError>,
    form: Result<Paced, MultipartRejection>,
) -> Result<Response, WebError> {
    let Paced(multipart) = form.map_err(|refused| WebError::of_status(refused.status()))?;
    let user = match user {
        Err(WebError::LogIn(next)) => {
            let words = Words::read(multipart).await?;
            return words
                .shown(&webmail, &visitor)
                .ok_or(WebError::LogIn(next))?;
        }
        user => user?,
    };
    let form = Form::read(&webmail, &user, multipart).await?;
    if let Some(why) = form.is_put_back() {
        let texts = user.visitor.texts;
        match why {
            Trouble::Elsewhere if form.action == Action::Autosave => {
                return Ok(to_script(texts.error_elsewhere));
            }
            Trouble::Sent if form.action == Action::Autosave => {
                return Ok(to_script(texts.error_sent_short));
            }
            Trouble::TooLarge(_)
            | Trouble::TooMany
            | Trouble::Full
            | Trouble::Drafts
            | Trouble::Enough
            | Trouble::TooLong(_)
            | Trouble::Cut
            | Trouble::Stale
            | Trouble::Elsewhere
            | Trouble::Sent => {}
        }
        let errors = troubles(&webmail, std::slice::from_ref(why), texts);
        return refused(&webmail, &user, form, errors).await;
    }
    match form.action {
        Action::Send if form.troubles.is_empty() => send(&webmail, &user, form).await,
        Action::Autosave if form.draft.is_blank() => Ok(StatusCode::NO_CONTENT.into_response()),
        Action::Send | Action::Save | Action::Autosave | Action::Attach | Action::Find => {
            save(&webmail, &user, form).await
        }
    }
}

/// Throws a letter away that has not been sent.
pub(crate) async fn discard(
    State(webmail): State<Webmail>,
    user: User,
    form: Result<Fields<LetterForm>, FormRejection>,
) -> Result<Response, WebError> {
    webmail.discard(&one_of(&user, form)?).await?;
    Ok(see_other("/drafts?discarded=1"))
}

/// Calls a letter back that has not left yet.
pub(crate) async fn undo(
    State(webmail): State<Webmail>,
    user: User,
    form: Result<Fields<LetterForm>, FormRejection>,
) -> Result<Response, WebError> {
    let name = one_of(&user, form)?;
    Ok(if webmail.call_back(&name).await? {
        see_other(&format!("/compose?draft={}&undone=1", name.token))
    } else {
        see_other("/sent?late=1")
    })
}

/// Which letter of the user's a form with one button means.
fn one_of(user: &User, form: Result<Fields<LetterForm>, FormRejection>) -> Result<Name, WebError> {
    let Fields(form) = form.map_err(|refused| WebError::of_status(refused.status()))?;
    user.check(&form.csrf)?;
    if !is_token(&form.token) {
        return Err(WebError::BadRequest);
    }
    Ok(Name::new(user.account(), &form.token))
}

/// Says to the script that this page can keep nothing any more.
fn to_script(text: &'static str) -> Response {
    let headers = [(CONTENT_TYPE, "text/plain; charset=utf-8"), (PAGE, "1")];
    (StatusCode::CONFLICT, headers, text).into_response()
}

/// The letter was sent from another page while this one came in: what it says, with its files, is
/// a letter of its own.
async fn sent_elsewhere(
    webmail: &Webmail,
    user: &User,
    mut form: Form,
) -> Result<Response, WebError> {
    let texts = user.visitor.texts;
    if form.action == Action::Autosave {
        return Ok(to_script(texts.error_sent_short));
    }
    form.is_sent_elsewhere(webmail.new_letter(user));
    if !webmail.is_one_too_many(&form.name).await? {
        webmail.save(&form.name, &form.draft).await.ok();
    }
    refused(webmail, user, form, vec![texts.error_sent.to_owned()]).await
}

async fn save(webmail: &Webmail, user: &User, form: Form) -> Result<Response, WebError> {
    let texts = user.visitor.texts;
    if webmail.is_one_too_many(&form.name).await? {
        let error = too_many_drafts(texts);
        return refused(webmail, user, form, vec![error]).await;
    }
    let is_kept = match webmail.save(&form.name, &form.draft).await {
        Ok(is_kept) => is_kept,
        Err(unsent) => return refused(webmail, user, form, refusals(unsent, texts)?).await,
    };
    if !is_kept && webmail.left_elsewhere(&form.name, &form.draft.page).await? {
        return sent_elsewhere(webmail, user, form).await;
    }
    if form.action == Action::Autosave {
        return Ok(if is_kept {
            saved_now(webmail, texts)
        } else {
            StatusCode::NO_CONTENT.into_response()
        });
    }
    if !form.troubles.is_empty() {
        let troubles = troubles(webmail, &form.troubles, texts);
        return refused(webmail, user, form, troubles).await;
    }
    if !is_kept {
        return Ok(see_other(&format!("/sent?going={}", form.name.token)));
    }
    if form.action == Action::Find {
        let found = webmail.people(&form.find).await?;
        let mut page = webmail.compose_page(user, (&form.name, form.draft)).await?;
        (page.find, page.found, page.is_stored) = (form.find, found, true);
        return show(&page);
    }
    let mark = if form.action == Action::Save {
        "&saved=1"
    } else {
        ""
    };
    Ok(see_other(&format!(
        "/compose?draft={}{mark}",
        form.name.token
    )))
}

/// Says to the script when the letter was kept.
fn saved_now(webmail: &Webmail, texts: &'static Texts) -> Response {
    let moments = webmail.moments(texts);
    let time = moments.short(moments.now);
    let text = fill(texts.saved_at, &[("time", &time)]);
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

async fn send(webmail: &Webmail, user: &User, mut form: Form) -> Result<Response, WebError> {
    let texts = user.visitor.texts;
    form.draft.references = references(webmail, user, &form).await?;
    let sent = webmail
        .send(&form.name, (&user.person, &user.addresses), &form.draft)
        .await;
    let errors = match sent {
        Ok(Sent::Left) => return Ok(see_other("/sent?sent=1")),
        Ok(Sent::Leaves) => {
            return Ok(see_other(&format!("/sent?going={}", form.name.token)));
        }
        Ok(Sent::Elsewhere) => return sent_elsewhere(webmail, user, form).await,
        Err(unsent) => refusals(unsent, texts)?,
    };
    // Its files are there already, and its text must not be lost either.
    webmail.save(&form.name, &form.draft).await.ok();
    refused(webmail, user, form, errors).await
}

async fn refused(
    webmail: &Webmail,
    user: &User,
    form: Form,
    errors: Vec<String>,
) -> Result<Response, WebError> {
    let is_too_long = |it: &Trouble| matches!(it, Trouble::TooLong(_) | Trouble::Cut);
    let status = if form.is_put_back() == Some(&Trouble::Stale) {
        StatusCode::FORBIDDEN
    } else if form.is_put_back().is_some() {
        StatusCode::CONFLICT
    } else if form.troubles.contains(&Trouble::Enough) {
        StatusCode::TOO_MANY_REQUESTS
    } else if form.troubles.iter().any(is_too_long) {
        StatusCode::PAYLOAD_TOO_LARGE
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let is_stored = form.is_put_back().is_none();
    let mut page = webmail.compose_page(user, (&form.name, form.draft)).await?;
    page.errors = errors;
    page.is_stored = is_stored;
    show_with(status, &page)
}

/// Why a letter does not leave, in words.
pub(super) fn refusals(unsent: Unsent, texts: &Texts) -> Result<Vec<String>, WebError> {
    Ok(match unsent {
        Unsent::Web(WebError::Enough) => vec![texts.error_uploads.to_owned()],
        Unsent::Web(error) => return Err(error),
        Unsent::Full => vec![texts.error_full.to_owned()],
        Unsent::Refused(refusals) => says(&refusals, texts),
        Unsent::Enough(most, recipients) => {
            let (most, recipients) = (most.to_string(), recipients.to_string());
            let values = [("most", &*most), ("recipients", &*recipients)];
            vec![fill(texts.error_enough, &values)]
        }
    })
}

/// What is wrong with whom a letter goes to, in words.
pub(super) fn says(refusals: &[Refusal], texts: &Texts) -> Vec<String> {
    let says = |refusal: &Refusal| match refusal {
        Refusal::Nobody => texts.error_no_recipient.to_owned(),
        Refusal::Sender(address) => fill(texts.error_sender, &[("address", address)]),
        Refusal::NoAddress(address) => fill(texts.error_address, &[("address", address)]),
        Refusal::Rejected { address, reason } => {
            let values = [("address", &**address), ("reason", &**reason)];
            fill(texts.error_rejected, &values)
        }
        Refusal::TooMany(count) => {
            let (most, count) = (RECIPIENTS.to_string(), count.to_string());
            fill(
                texts.error_too_many,
                &[("most", &*most), ("count", &*count)],
            )
        }
    };
    refusals.iter().map(says).collect()
}

fn too_many_drafts(texts: &Texts) -> String {
    let most = MOST.to_string();
    fill(texts.error_too_many_drafts, &[("most", &most)])
}

fn troubles(webmail: &Webmail, troubles: &[Trouble], texts: &Texts) -> Vec<String> {
    let says = |trouble: &Trouble| match trouble {
        Trouble::TooLarge(name) => {
            let size = human_size(webmail.0.options.writing.max_attachments);
            fill(
                texts.error_file_too_large,
                &[("name", name), ("size", &size)],
            )
        }
        Trouble::TooMany => {
            let count = crate::limits::WEB_FILES.to_string();
            fill(texts.error_too_many_files, &[("count", &count)])
        }
        Trouble::Full => texts.error_full.to_owned(),
        Trouble::Drafts => too_many_drafts(texts),
        Trouble::Enough => texts.error_uploads.to_owned(),
        Trouble::TooLong(bytes) => {
            let (size, most) = (
                human_size(*bytes as u64),
                human_size(crate::limits::FORM as u64),
            );
            fill(texts.error_too_long, &[("size", &size), ("most", &most)])
        }
        Trouble::Cut => {
            let most = human_size(crate::limits::WEB_TYPED as u64);
            fill(texts.error_cut, &[("most", &most)])
        }
        Trouble::Stale => texts.error_stale.to_owned(),
        Trouble::Elsewhere => texts.error_elsewhere.to_owned(),
        Trouble::Sent => texts.error_sent.to_owned(),
    };
    troubles.iter().map(says).collect()
}

/// The thread of the message that is answered; none when it is gone or not the user's.
async fn references(webmail: &Webmail, user: &User, form: &Form) -> Result<Vec<String>, WebError> {
    let Some(id) = form.draft.answers else {
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
