//! What is around every page, whoever it is for: the security headers, the style, answers that
//! lead elsewhere, what a browser calls itself.

mod device;

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, LOCATION, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

pub use device::{agent, device};

/// The style that all pages have.
pub const STYLE: &str = include_str!("../../webmail/assets/style.css");
/// Where it is; pages add what it is made of, so that it can be kept for ever.
pub const STYLE_PATH: &str = "/style.css";
const ICON: &str = include_str!("../../webmail/assets/icon.svg");

const POLICY: &str = "default-src 'none'; style-src 'style'; script-src 'self'; \
     connect-src 'self'; \
     img-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// No script but ours, nothing from elsewhere, no frame around us. Of styles inside of a page only
/// ours, by its digest (CSP 3 §2.3.1).
#[must_use]
pub fn policy() -> HeaderValue {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    let policy = POLICY.replace("'style'", &format!("'self' 'sha256-{style}'"));
    let strictest = HeaderValue::from_static("default-src 'none'");
    policy.parse().unwrap_or(strictest)
}

/// The address of an asset, with a mark of its content: another content has another address.
#[must_use]
pub fn versioned(path: &str, content: &str) -> String {
    format!("{path}?v={:08x}", crc32c::crc32c(content.as_bytes()))
}

/// Where [`STYLE`] is now.
#[must_use]
pub fn style_address() -> String {
    versioned(STYLE_PATH, STYLE)
}

/// 303 (RFC 9110 §15.4.4): what follows is a GET, so that reloading repeats nothing.
#[must_use]
pub fn see_other(target: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(target) = target.parse() {
        response.headers_mut().insert(LOCATION, target);
    }
    response
}

/// Where a login leads back to: a path on this site that is no login itself. `//evil.example` and
/// `/\evil.example` are on others.
#[must_use]
pub fn own_path(next: &str) -> &str {
    let leads_out =
        next.starts_with("//") || next.contains('\\') || next.contains(char::is_control);
    if next.starts_with('/') && !leads_out && !next.starts_with("/log") {
        next
    } else {
        "/"
    }
}

/// A browser says where a request comes from; a form of another site is none of ours.
#[must_use]
pub fn is_foreign_post(method: &Method, site: Option<&HeaderValue>) -> bool {
    *method == Method::POST && site.is_some_and(|site| site != "same-origin" && site != "none")
}

/// Puts the security headers on an answer; a page may be stricter or, the style sheet, laxer.
pub fn secure(headers: &mut HeaderMap, policy: &HeaderValue) {
    let fixed = [
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (CONTENT_SECURITY_POLICY, policy.clone()),
    ];
    for (name, value) in fixed {
        headers.entry(name).or_insert(value);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    for (name, value) in [
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        (
            "permissions-policy",
            "camera=(), microphone=(), geolocation=()",
        ),
    ] {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
}

/// Something that never changes under its address.
#[must_use]
pub fn asset(kind: &'static str, content: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, content).into_response()
}

/// [`STYLE`].
pub async fn style() -> Response {
    asset("text/css; charset=utf-8", STYLE)
}

/// The picture beside the name of the site.
pub async fn icon() -> Response {
    asset("image/svg+xml", ICON)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_content_has_another_address() {
        assert_eq!(versioned("/a.css", "x"), versioned("/a.css", "x"));
        assert_ne!(versioned("/a.css", "x"), versioned("/a.css", "y"));
    }

    #[test]
    fn nobody_is_sent_to_another_site() {
        for own in ["/", "/queue?held=1", "/message/1#end"] {
            assert_eq!(own_path(own), own);
        }
        for evil in [
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "evil",
            "",
            "/a\r\nb",
            "/logout",
            "/login?next=/",
        ] {
            assert_eq!(own_path(evil), "/", "{evil}");
        }
    }

    #[test]
    fn forms_of_other_sites_are_told_from_ours() {
        let site = |text| Some(HeaderValue::from_static(text));
        for (method, site, expected) in [
            (Method::POST, site("cross-site"), true),
            (Method::POST, site("same-site"), true),
            (Method::POST, site("same-origin"), false),
            (Method::POST, site("none"), false),
            (Method::POST, None, false),
            (Method::GET, site("cross-site"), false),
        ] {
            assert_eq!(is_foreign_post(&method, site.as_ref()), expected);
        }
    }

    #[test]
    fn what_a_page_says_itself_stays() {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=1"));
        secure(&mut headers, &policy());
        assert_eq!(headers[CACHE_CONTROL], "max-age=1");
        assert_eq!(headers[X_FRAME_OPTIONS], "DENY");
        let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("script-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
}
