//! What is downloaded: the source of a message and its parts.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use super::message::parse_id;
use crate::webmail::Webmail;
use crate::webmail::accounts::blocking;
use crate::webmail::error::{WebError, encoded};
use crate::webmail::guard::User;
use crate::webmail::mailbox::Content;
use crate::webmail::sanitize::is_picture;
use crate::webmail::uploads::part_name;

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

/// One part, as a file.
pub(crate) async fn part(
    State(webmail): State<Webmail>,
    user: User,
    Path((id, number)): Path<(String, String)>,
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
    headers.insert(CONTENT_TYPE, safe_type(&part.content_type));
    headers.insert(CONTENT_DISPOSITION, disposition(&part_name(&part))?);
    headers.insert(CONTENT_SECURITY_POLICY, SEALED);
    Ok((headers, part.content).into_response())
}

/// What a browser may take it for: never anything that runs.
fn safe_type(declared: &str) -> HeaderValue {
    let harmless = declared == "application/pdf" || declared == "text/plain";
    let kind = if harmless || is_picture(declared) {
        declared
    } else {
        "application/octet-stream"
    };
    let kind = kind.parse();
    kind.unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"))
}

/// RFC 6266: to be stored under its name, in ASCII and in full.
fn disposition(name: &str) -> Result<HeaderValue, WebError> {
    let plain: String = name
        .chars()
        .map(|c| {
            let safe = c.is_ascii_alphanumeric() || " -_.()".contains(c);
            if safe { c } else { '_' }
        })
        .collect();
    let full = encoded(&name.replace('/', "_"));
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{full}")
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
    }

    #[test]
    fn names_stay_in_their_header() {
        let value = disposition("a\"; x=\"y\r\nPlän/e.pdf").unwrap();
        assert_eq!(
            value,
            "attachment; filename=\"a__ x__y__Pl_n_e.pdf\"; \
             filename*=UTF-8''a%22%3B%20x%3D%22y%0D%0APl%C3%A4n_e.pdf"
        );
    }
}
