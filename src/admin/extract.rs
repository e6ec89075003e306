//! axum's extractors, with what they refuse said in the form of all our errors.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::AdminError;
use super::limit::LIMITS;

/// The query of the path.
pub(super) struct Query<T>(pub(super) T);

/// The variable part of the path.
pub(super) struct Path<T>(pub(super) T);

/// A body of JSON.
pub(super) struct Body<T>(pub(super) T);

/// What an extractor says of a request that it cannot read, for people: without the words of the
/// library, and without a place in a body that is not the one that was sent.
pub(super) fn malformed(why: &str) -> String {
    let why = match why.split_once(": ") {
        Some((library, detail)) if library.starts_with("Failed to ") => detail,
        _ => why,
    };
    let why = match why.rsplit_once(" at line ") {
        Some((detail, place)) if is_place(place) => detail,
        _ => why,
    };
    format!("the request is malformed: {why}")
}

/// `1 column 24`.
fn is_place(text: &str) -> bool {
    let is_number = |text: &str| text.parse::<u64>().is_ok();
    let numbers = text.split_once(" column ");
    numbers.is_some_and(|(line, column)| is_number(line) && is_number(column))
}

fn refused(why: &str) -> AdminError {
    let what = malformed(why);
    let is_about_limit = ["limit=", "limit: "].iter().any(|said| what.contains(said));
    let hint = if is_about_limit {
        LIMITS
    } else {
        "`tideover openapi` says what each operation takes; is the tideover of the command line \
         the one that runs as the server?"
    };
    AdminError::Asked { what, hint }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AdminError> {
        let query = axum::extract::Query::from_request_parts(parts, state).await;
        match query {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(refused(&rejection.body_text())),
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AdminError> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        match path {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(refused(&rejection.body_text())),
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = AdminError;

    async fn from_request(request: Request, state: &S) -> Result<Self, AdminError> {
        match Json::from_request(request, state).await {
            Ok(Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(refused(&rejection.body_text())),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header::CONTENT_TYPE;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Order {
        #[expect(dead_code, reason = "only read from requests")]
        deed: u8,
    }

    fn request(target: &str, body: &str) -> Request {
        axum::http::Request::builder()
            .uri(target)
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_owned().into())
            .unwrap()
    }

    async fn of_body(body: &str) -> String {
        let read = Body::<Order>::from_request(request("/", body), &()).await;
        read.err().unwrap().to_string()
    }

    #[tokio::test]
    async fn a_request_that_cannot_be_read_is_refused_in_plain_words() {
        let missing = "the request is malformed: missing field `deed`";
        assert_eq!(of_body("{}").await, missing);
        let wrong = of_body(r#"{"deed":"x"}"#).await;
        assert_eq!(
            wrong,
            "the request is malformed: deed: invalid type: string \"x\", expected u8"
        );
        let broken = of_body("{").await;
        assert!(broken.starts_with("the request is malformed: "), "{broken}");
        let (mut parts, _) = request("/?other=1", "").into_parts();
        let query = Query::<Order>::from_request_parts(&mut parts, &()).await;
        assert_eq!(query.err().unwrap().to_string(), missing);
        for text in [wrong, broken] {
            assert!(
                !text.contains("Failed") && !text.contains(" column "),
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn a_limit_that_is_none_is_refused_with_those_there_are() {
        for (query, told) in [
            ("limit=0", "limit=0 asks for nothing"),
            ("limit=-1", "limit: "),
            ("limit=all", "limit: "),
        ] {
            let (mut parts, _) = request(&format!("/?{query}"), "").into_parts();
            let query = Query::<crate::admin::QueueQuery>::from_request_parts(&mut parts, &());
            let error = query.await.err().unwrap();
            assert!(error.to_string().contains(told), "{error}");
            assert_eq!(error.hint(), LIMITS, "{error}");
        }
        let (mut parts, _) = request("/?skip=x", "").into_parts();
        let query = Query::<crate::admin::QueueQuery>::from_request_parts(&mut parts, &());
        let error = query.await.err().unwrap();
        assert!(error.hint().contains("openapi"), "{error}");
    }

    #[test]
    fn only_what_is_a_place_is_left_out() {
        for (said, expected) in [
            ("Failed to read: a at line b", "a at line b"),
            ("Failed to read: a at line 1 column 2", "a"),
            ("Expected `Content-Type: x`", "Expected `Content-Type: x`"),
        ] {
            let expected = format!("the request is malformed: {expected}");
            assert_eq!(malformed(said), expected);
        }
    }
}
