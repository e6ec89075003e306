//! What is done with messages: read, flagged, filed, deleted; one or many at once.

use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::response::Response;

use crate::frame::own_path;
use crate::mail::SpoolId;
use crate::webmail::Webmail;
use crate::webmail::error::WebError;
use crate::webmail::frame::see_other;
use crate::webmail::guard::User;
use crate::webmail::mailbox::{Folder, MOST};
use crate::webmail::marks::{Change, Place};
use crate::webmail::texts::{Texts, fill};

/// Messages that are changed at once: more than a page has.
const AT_ONCE: usize = 200;

/// The actions: their names in forms, and what they do.
fn change_of(action: &str) -> Option<Change> {
    Some(match action {
        "read" => Change::Read,
        "unread" => Change::Unread,
        "flag" => Change::Flag,
        "unflag" => Change::Unflag,
        "archive" => Change::Move(Some(Place::Archive)),
        "delete" => Change::Move(Some(Place::Deleted)),
        "restore" => Change::Move(None),
        "erase" => Change::Move(Some(Place::Gone)),
        _ => return None,
    })
}

pub(crate) async fn act(
    State(webmail): State<Webmail>,
    user: User,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Result<Response, WebError> {
    let Form(fields) = form.map_err(|refused| WebError::of_status(refused.status()))?;
    let field = |name: &str| {
        let found = fields.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    user.check(field("csrf"))?;
    let action = field("action");
    let back = own_path(field("back"));
    if action.is_empty() {
        // Enter in a tick box presses a button that does nothing.
        return Ok(see_other(back));
    }
    let change = change_of(action).ok_or(WebError::BadRequest)?;
    let ids: Result<Vec<SpoolId>, _> = fields
        .iter()
        .filter(|(key, _)| key == "id")
        .take(AT_ONCE)
        .map(|(_, value)| value.parse())
        .collect();
    let ids = ids.map_err(|_| WebError::NotFound)?;
    let is_none = ids.is_empty();
    // In a list of conversations a line stands for all that one sees of it there.
    let list = Folder::ALL
        .into_iter()
        .find(|one| one.path() == field("whole"));
    let ids = match list {
        Some(folder) => webmail.whole(&user, (folder, ids)).await?,
        None => ids,
    };
    let count = webmail.change(&user, ids, &change).await?;
    if count == 0 && !is_none {
        return Err(WebError::NotFound);
    }
    let mark = if back.contains('?') { '&' } else { '?' };
    Ok(see_other(&format!("{back}{mark}did={action}&n={count}")))
}

/// What is said of an action that is done, by the address of the page behind it. Nothing is said of
/// what cannot have been done: anybody can write an address.
pub(super) fn notice(texts: &Texts, did: &str, count: &str) -> Option<String> {
    let count: usize = count.parse().ok().filter(|count| *count <= MOST)?;
    let (one, many) = match did {
        "read" => (texts.did_read_one, texts.did_read),
        "unread" => (texts.did_unread_one, texts.did_unread),
        "flag" => (texts.did_flag_one, texts.did_flag),
        "unflag" => (texts.did_unflag_one, texts.did_unflag),
        "archive" => (texts.did_archive_one, texts.did_archive),
        "delete" => (texts.did_delete_one, texts.did_delete),
        "restore" => (texts.did_restore_one, texts.did_restore),
        "erase" => (texts.did_erase_one, texts.did_erase),
        _ => return None,
    };
    Some(match count {
        0 => texts.nothing_selected.to_owned(),
        1 => one.to_owned(),
        _ => fill(many, &[("count", &count.to_string())]),
    })
}
