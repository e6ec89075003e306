//! Answers that are no JSON.

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

/// Something that has a media type of its own.
pub(super) trait Media {
    /// The type, without parameters.
    const TYPE: &'static str;
}

/// Rows.
pub(super) struct Csv(pub(super) Body);

impl Media for Csv {
    const TYPE: &'static str = "text/csv";
}

impl IntoResponse for Csv {
    fn into_response(self) -> Response {
        let kind = format!("{}; charset=utf-8", Self::TYPE);
        ([(CONTENT_TYPE, kind)], self.0).into_response()
    }
}

/// A message as it is stored.
pub(super) struct Letter {
    pub(super) body: Body,
    pub(super) length: u64,
}

impl Media for Letter {
    const TYPE: &'static str = "message/rfc822";
}

impl IntoResponse for Letter {
    fn into_response(self) -> Response {
        let head = [
            (CONTENT_TYPE, Self::TYPE.to_owned()),
            (CONTENT_LENGTH, self.length.to_string()),
        ];
        (head, self.body).into_response()
    }
}
