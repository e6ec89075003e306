//! Who looks at a page, and what he has typed into it.

use std::collections::BTreeMap;

use axum::extract::{Form, FromRequest, FromRequestParts, Query, Request};
use axum::http::Uri;
use axum::http::request::Parts;
use subtle::ConstantTimeEq as _;

use super::Console;
use super::fault::Fault;
use crate::admin::door::Proof;
use crate::admin::extract::malformed;
use crate::admin::{Caller, Role};

/// What a session gives the pages. Whoever lets somebody in puts it into the request's extensions,
/// beside the [`Caller`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csrf {
    /// The word that its forms carry, so that no other site can send them.
    pub word: String,
    /// Its login took a code of an app.
    pub has_second: bool,
}

/// Who looks.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    pub(super) caller: Caller,
    pub(super) csrf: Csrf,
    /// With what he came in: a form may come slowly, and meanwhile he may have been shut out.
    pub(super) proof: Option<Proof>,
}

impl Asker {
    /// May he do what takes this role?
    pub(super) fn may(&self, role: Role) -> bool {
        self.caller.role >= role
    }

    /// Refuses a page to who may not, before anything is typed. A form is sent on all the same: the
    /// API refuses it, and writes that down.
    pub(super) fn needs(&self, role: Role) -> Result<(), Fault> {
        if self.may(role) {
            Ok(())
        } else {
            Err(Fault::role(role))
        }
    }
}

impl FromRequestParts<Console> for Asker {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &Console) -> Result<Self, Fault> {
        let caller = parts.extensions.get::<Caller>();
        let csrf = parts.extensions.get::<Csrf>();
        match (caller, csrf) {
            (Some(caller), Some(csrf)) if !csrf.word.is_empty() => Ok(Self {
                caller: caller.clone(),
                csrf: csrf.clone(),
                proof: parts.extensions.get::<Proof>().cloned(),
            }),
            _ => Err(Fault::nobody()),
        }
    }
}

/// What was typed, by the names of the fields; blanks at both ends are left out.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields(BTreeMap<String, String>);

impl Fields {
    /// A field; empty when it is not there.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |text| text.trim())
    }

    /// A field, unless it is empty.
    pub(super) fn some(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// From where on the page shows its rows.
    pub(super) fn skip(&self) -> Result<usize, Fault> {
        let skip = self.some("skip").map_or(Ok(0), str::parse::<usize>);
        skip.map_err(|_| {
            Fault::asked(
                "this page does not go on from there",
                "Begin at the first page.",
            )
        })
    }

    /// Refuses names that nobody here knows: a filter that was mistyped would mean everything.
    pub(super) fn expect(&self, known: &[&str]) -> Result<(), Fault> {
        let unknown = self.0.keys().find(|name| !known.contains(&name.as_str()));
        unknown.map_or(Ok(()), |name| {
            Err(Fault::asked(
                format!(
                    "this page has no \"{}\"; nothing was done",
                    crate::terminal::visible(name)
                ),
                match known {
                    [] => "It knows none: open it from the navigation.".to_owned(),
                    known => format!("It knows \"{}\".", known.join("\", \"")),
                },
            ))
        })
    }

    /// The same with another field.
    pub(super) fn with(mut self, name: &str, text: &str) -> Self {
        self.0.insert(name.to_owned(), text.to_owned());
        self
    }

    /// The reason, which every change has.
    pub(super) fn reason(&self) -> Result<String, Fault> {
        let reason = self.some("reason").map(str::to_owned);
        reason.ok_or_else(|| {
            Fault::asked(
                "there is no reason; nothing was done",
                "Say why, in a few words, for those who look later.",
            )
        })
    }
}

#[cfg(test)]
impl Fields {
    /// As if these had been typed.
    pub(super) fn of(fields: &[(&str, &str)]) -> Self {
        let owned = fields.iter();
        let owned = owned.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self(owned.collect())
    }
}

/// What pages know behind the `?` of their address; those that are asked for mail see to it
/// themselves, and what is no page is not found.
fn questions(path: &str) -> Option<&'static [&'static str]> {
    let mut parts = path.trim_matches('/').split('/');
    let known: &[&str] = match (parts.next()?, parts.next()) {
        ("trace", _) => &["of"],
        ("cases", None) => &["final", "done"],
        ("cases" | "backends", Some(_)) => &["done"],
        ("directory", None) => &["address", "settled", "read"],
        ("directory", Some("people")) => &["q", "domain", "home", "kind", "state", "skip"],
        ("directory", Some("generations")) => &["before", "done"],
        ("directory", Some("diff")) => &["from", "to", "skip"],
        ("users", _) => &["q", "skip", "disabled"],
        ("devices", None) => &["q", "skip", "ended"],
        ("mailboxes", Some("carry")) => &["backend"],
        ("audit", _) => &["by", "what", "after"],
        ("undone", _) => &["page"],
        ("config", _) => &["q", "set"],
        ("check", None) => &["online"],
        ("me", _) => &["did"],
        (
            "" | "backends" | "devices" | "drills" | "events" | "holds" | "mailboxes" | "messages"
            | "waves",
            _,
        ) => &[],
        _ => return None,
    };
    Some(known)
}

/// Refuses what a page does not know behind the `?` of its address.
pub(super) fn expect_question(uri: &Uri) -> Result<(), Fault> {
    match (questions(uri.path()), Query::try_from_uri(uri)) {
        (Some(known), Ok(Query(fields))) => Fields(fields).expect(known),
        // What cannot be read is refused by who reads it.
        (None, _) | (_, Err(_)) => Ok(()),
    }
}

/// What stands behind the `?` of an address.
#[derive(Debug)]
pub(super) struct Question(pub(super) Fields);

impl FromRequestParts<Console> for Question {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Fault> {
        match Query::from_request_parts(parts, console).await {
            Ok(Query(fields)) => Ok(Self(Fields(fields))),
            Err(rejection) => Err(Fault::asked(
                malformed(&rejection.body_text()),
                "Open the page from the navigation.",
            )),
        }
    }
}

/// A form that was sent from a page of the session of who sends it.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) asker: Asker,
    pub(super) fields: Fields,
}

impl FromRequest<Console> for Sent {
    type Rejection = Fault;

    async fn from_request(request: Request, console: &Console) -> Result<Self, Fault> {
        let (mut parts, body) = request.into_parts();
        let asker = Asker::from_request_parts(&mut parts, console).await?;
        let form = Form::from_request(Request::from_parts(parts, body), console).await;
        let Form(fields) = form.map_err(|rejection| {
            Fault::asked(
                malformed(&rejection.body_text()),
                "Open the page again and send it from there.",
            )
        })?;
        let fields = Fields(fields);
        let is_ours = fields
            .text("csrf")
            .as_bytes()
            .ct_eq(asker.csrf.word.as_bytes());
        if bool::from(is_ours) {
            Ok(Self { asker, fields })
        } else {
            Err(Fault::foreign())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_page_knows_is_quoted() {
        let hint = |known: &[&str]| Fields::of(&[("x", "1")]).expect(known).unwrap_err().hint;
        assert_eq!(hint(&["of"]), "It knows \"of\".");
        assert_eq!(hint(&["q", "set"]), "It knows \"q\", \"set\".");
        assert_eq!(hint(&[]), "It knows none: open it from the navigation.");
    }
}
