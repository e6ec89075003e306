//! What is downloaded: the source of a message and its parts.

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;

use super::message::parse_id;
use crate::base::percent_encoded;
use crate::webmail::Webmail;
use crate::webmail::accounts::blocking;
use crate::webmail::error::WebError;
use crate::webmail::guard::User;
use crate::webmail::mailbox::Content;
use crate::webmail::sanitize::is_picture;
use crate::webmail::uploads::part_name;

const PDF: &str = "application/pdf";
/// Not every browser's viewer of PDF works in a sandbox. It runs scripts of the document, if any,
/// for itself: that is no page of ours.
const VIEWER: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'",
);
const TEXT: &str = "text/plain; charset=utf-8";
/// Pieces in which the source is sent.
const PIECE: usize = 256 * 1024;
/// If a browser showed it in spite of everything: nothing in it runs.
const SEALED: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");

/// The message as it is stored, as text.
pub(crate) async fn source(
    State(webmail): State<Webmail>,
    user: User,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    let body = webmail.body(&user, parse_id(&id)?).await?;
    let pieces = stream::try_unfold(0_u64, move |offset| {
        let body = body.clone();
        async move {
            let piece = blocking(move || body.read_at(offset, PIECE)).await;
            let piece = piece.map_err(std::io::Error::other)??;
            let next = offset + piece.len() as u64;
            Ok::<_, std::io::Error>((!piece.is_empty()).then_some((piece, next)))
        }
    });
    let mut response = Body::from_stream(pieces).into_response();
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(CONTENT_SECURITY_POLICY, SEALED);
    Ok(response)
}

/// How a part is wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PartQuery {
    /// In the browser, and not as a file.
    show: String,
}

/// One part: as a file, or shown by the browser if nothing can run in it.
pub(crate) async fn part(
    State(webmail): State<Webmail>,
    user: User,
    Path((id, number)): Path<(String, String)>,
    Query(query): Query<PartQuery>,
) -> Result<Response, WebError> {
    let number: usize = number.parse().map_err(|_| WebError::NotFound)?;
    let opened = webmail.open(&user, parse_id(&id)?).await?;
    let Content::Parsed(mut message) = opened.content else {
        return Err(WebError::NotFound);
    };
    let at = message.parts.iter().position(|part| part.number == number);
    let part = at.map(|at| message.parts.swap_remove(at));
    let part = part.ok_or(WebError::NotFound)?;
    let mut headers = HeaderMap::new();
    let shown = Some(&query.show).filter(|show| !show.is_empty());
    let shown = shown.and_then(|_| shown_type(&part.content_type));
    let (kind, way) = match shown {
        Some(kind) => (kind.parse().ok(), "inline"),
        None => (None, "attachment"),
    };
    let is_text = shown == Some(TEXT);
    let kind = kind.unwrap_or_else(|| safe_type(&part.content_type));
    let is_pdf = kind == PDF;
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CONTENT_DISPOSITION, disposition(way, &part_name(&part))?);
    // A file is for no viewer.
    let policy = if is_pdf && way == "inline" {
        VIEWER
    } else {
        SEALED
    };
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    // A file is what was sent; what is shown is in the charset that its header names.
    let content = if is_text {
        part.text().into_bytes()
    } else {
        part.content
    };
    Ok((headers, content).into_response())
}

/// As what a browser shows a part by itself; `None`: it is a file to keep. A text is a text here,
/// whatever else it says it is, but HTML is no text.
pub(super) fn shown_type(declared: &str) -> Option<&str> {
    if declared == PDF || is_picture(declared) {
        return Some(declared);
    }
    let is_text = declared.starts_with("text/") && declared != "text/html";
    is_text.then_some(TEXT)
}

/// What a browser may take it for: never anything that runs.
fn safe_type(declared: &str) -> HeaderValue {
    let harmless = declared == PDF || declared == "text/plain";
    let kind = if harmless || is_picture(declared) {
        declared
    } else {
        "application/octet-stream"
    };
    let kind = kind.parse();
    kind.unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"))
}

/// RFC 6266: to be stored or shown under its name, in ASCII and in full.
fn disposition(way: &str, name: &str) -> Result<HeaderValue, WebError> {
    let plain: String = name
        .chars()
        .map(|c| {
            let safe = c.is_ascii_alphanumeric() || " -_.()".contains(c);
            if safe { c } else { '_' }
        })
        .collect();
    let full = percent_encoded(&name.replace('/', "_"));
    format!("{way}; filename=\"{plain}\"; filename*=UTF-8''{full}")
        .parse()
        .map_err(|_| WebError::Internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_runs_is_served_as_such() {
        for kind in [
            "text/html",
            "image/svg+xml",
            "application/xhtml+xml",
            "text/xml",
            "x\r\ny",
        ] {
            assert_eq!(safe_type(kind), "application/octet-stream", "{kind}");
        }
        assert_eq!(safe_type("image/png"), "image/png");
        for kind in [
            "image/pngx",
            "image/png+xml",
            "image/jpeg2",
            "text/html",
            "image/svg+xml",
            "application/xhtml+xml",
            "application/zip",
        ] {
            assert_eq!(shown_type(kind), None, "{kind}");
        }
        for kind in ["text/plain", "text/csv", "text/xml", "text/javascript"] {
            assert_eq!(
                shown_type(kind),
                Some("text/plain; charset=utf-8"),
                "{kind}"
            );
        }
        assert_eq!(shown_type("image/jpeg"), Some("image/jpeg"));
    }

    #[test]
    fn names_stay_in_their_header() {
        let value = disposition("attachment", "a\"; x=\"y\r\nPlän/e.pdf").unwrap();
        assert_eq!(
            value,
            "attachment; filename=\"a__ x__y__Pl_n_e.pdf\"; \
             filename*=UTF-8''a%22%3B%20x%3D%22y%0D%0APl%C3%A4n_e.pdf"
        );
    }
}
