//! The body of a form, one piece at a time. The reader of forms takes all that is there at once,
//! and of a fast network that is a whole file: so there is never more than the next piece.

use axum::body::Body;
use axum::extract::multipart::MultipartRejection;
use axum::extract::{FromRequest, Multipart, Request};
use futures_util::{StreamExt as _, stream};

use crate::webmail::Webmail;

/// A form with files that are read as fast as they are stored.
pub(crate) struct Paced(pub Multipart);

impl FromRequest<Webmail> for Paced {
    type Rejection = MultipartRejection;

    async fn from_request(request: Request, webmail: &Webmail) -> Result<Self, Self::Rejection> {
        let request = request.map(paced);
        Ok(Self(Multipart::from_request(request, webmail).await?))
    }
}

fn paced(body: Body) -> Body {
    let pieces = body.into_data_stream();
    Body::from_stream(stream::unfold(pieces, |mut pieces| async move {
        // "Nothing yet", to a reader that asks again and again until it hears so.
        tokio::task::yield_now().await;
        pieces.next().await.map(|piece| (piece, pieces))
    }))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::extract::{DefaultBodyLimit, State};
    use axum::routing::post;
    use bytes::Bytes;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    const PIECE: usize = 64 * 1024;
    const PIECES: usize = 512;

    /// Stores a file: how much that was, and how much more was in memory at most.
    async fn store(State(given): State<Arc<AtomicUsize>>, request: Request) -> String {
        let request = request.map(paced);
        let mut form = Multipart::from_request(request, &()).await.unwrap();
        let mut field = form.next_field().await.unwrap().unwrap();
        let (mut stored, mut most) = (0, 0);
        while let Some(piece) = field.chunk().await.unwrap() {
            stored += piece.len();
            most = most.max(given.load(Ordering::SeqCst).saturating_sub(stored));
        }
        format!("{stored} {}", most / PIECE)
    }

    /// 32 MiB are there at once: of what is not stored yet there are never more than a few pieces.
    #[tokio::test]
    async fn what_is_read_is_what_is_stored() {
        let given = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&given);
        let head = b"--b\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n";
        let piece = Bytes::from(vec![b'x'; PIECE]);
        let file = std::iter::repeat_n(piece, PIECES).inspect(move |piece| {
            counted.fetch_add(piece.len(), Ordering::SeqCst);
        });
        let all = std::iter::once(Bytes::from_static(head))
            .chain(file)
            .chain([Bytes::from_static(b"\r\n--b--\r\n")]);
        let body = Body::from_stream(stream::iter(all.map(Ok::<_, Infallible>)));
        let kind = "multipart/form-data; boundary=b";
        let request = Request::post("/").header("content-type", kind);
        let site = Router::new()
            .route("/", post(store))
            .layer(DefaultBodyLimit::disable())
            .with_state(given);
        let answer = site.oneshot(request.body(body).unwrap()).await.unwrap();
        let answer = answer.into_body().collect().await.unwrap().to_bytes();
        let answer = std::str::from_utf8(&answer).unwrap();
        let (stored, most) = answer.split_once(' ').unwrap();
        assert_eq!(stored, (PIECE * PIECES).to_string());
        assert!(most.parse::<usize>().unwrap() <= 4, "{most} pieces");
    }
}
