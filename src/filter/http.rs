//! One question over HTTP, with a message as its body, in pieces. Who calls has a deadline.
//!
//! The room `net` asks with a whole body, and without TLS this machine only. Here a body is never
//! whole in memory, and the address is one that the config names for all mail.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderName, HeaderValue, SERVER, USER_AGENT};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;

use super::Content;
use super::heard::Nonsense;
use super::talk::Trouble;
use crate::limits;
use crate::net::BoxedStream;

/// What stands above a body. A password may be in it, so it cannot be shown.
pub(super) struct Head {
    /// What is asked.
    pub(super) path: &'static str,
    /// Whom.
    pub(super) host: String,
    /// More fields; what cannot stand in one is made visible.
    pub(super) fields: Vec<(&'static str, String)>,
}

/// An answer, whatever it means.
#[derive(Debug)]
pub(super) struct Answered {
    /// Its status.
    pub(super) status: u16,
    /// What answers, in its own words.
    pub(super) server: Vec<u8>,
    /// What it is about.
    pub(super) body: Vec<u8>,
    /// Did it take the whole message before?
    pub(super) has_all: bool,
}

/// Asks with nothing.
pub(super) async fn get(stream: BoxedStream, head: Head) -> Result<Answered, Trouble> {
    let request = request(Method::GET, head, Empty::<Bytes>::new())?;
    let answer = exchange(stream, request, std::future::pending()).await?;
    Ok(answer)
}

/// Asks with a message.
pub(super) async fn post(
    stream: BoxedStream,
    head: Head,
    content: &dyn Content,
) -> Result<Answered, Trouble> {
    let (pieces, receiver) = mpsc::channel(1);
    let taken = Arc::new(AtomicU64::new(0));
    let body = Fed {
        pieces: receiver,
        taken: Arc::clone(&taken),
        size: content.len(),
    };
    let request = request(Method::POST, head, body)?;
    let answer = exchange(stream, request, feed(content, pieces)).await?;
    Ok(Answered {
        has_all: taken.load(Ordering::Relaxed) >= content.len(),
        ..answer
    })
}

/// A body that comes piece by piece.
struct Fed {
    pieces: mpsc::Receiver<Bytes>,
    taken: Arc<AtomicU64>,
    size: u64,
}

impl Fed {
    fn left(&self) -> u64 {
        self.size.saturating_sub(self.taken.load(Ordering::Relaxed))
    }
}

impl Body for Fed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = ready!(self.pieces.poll_recv(context));
        if let Some(piece) = &piece {
            self.taken.fetch_add(piece.len() as u64, Ordering::Relaxed);
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}

/// Reads a message as it is taken. Ends only when our own disk fails.
async fn feed(content: &dyn Content, pieces: mpsc::Sender<Bytes>) -> io::Error {
    let mut at = 0;
    while at < content.len() {
        match content.read(at, limits::FILTER_PIECE).await {
            Ok(piece) if piece.is_empty() => return io::ErrorKind::UnexpectedEof.into(),
            Ok(piece) => {
                at += piece.len() as u64;
                if pieces.send(piece).await.is_err() {
                    // It takes no more: perhaps it says why.
                    break;
                }
            }
            Err(error) => return error,
        }
    }
    std::future::pending().await
}

fn request<B>(method: Method, head: Head, body: B) -> Result<Request<B>, Trouble> {
    let mut request = Request::builder()
        .method(method)
        .uri(head.path)
        .header(HOST, value(&head.host))
        .header(USER_AGENT, "Tideover")
        .header(CONNECTION, "close");
    for (name, text) in head.fields {
        request = request.header(HeaderName::from_static(name), value(&text));
    }
    // A host that cannot stand in a field is made visible; what is left can be sent.
    let request = request.body(body);
    request.map_err(|error| Trouble::Away(error.to_string()))
}

fn value(text: &str) -> HeaderValue {
    let shown = |byte: u8| {
        if byte < b' ' || byte == 0x7f {
            b'?'
        } else {
            byte
        }
    };
    let bytes: Vec<u8> = text.bytes().map(shown).collect();
    HeaderValue::from_bytes(&bytes).unwrap_or_else(|_| HeaderValue::from_static("?"))
}

async fn exchange<B>(
    stream: BoxedStream,
    request: Request<B>,
    feeding: impl Future<Output = io::Error>,
) -> Result<Answered, Trouble>
where
    B: Body<Data = Bytes, Error = Infallible> + 'static,
{
    let mut connection = http1::Builder::new();
    connection.max_buf_size(limits::FILTER_PIECE);
    let shaken = connection.handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|error| broken(&error))?;
    let answering = async {
        let answer = sender.send_request(request).await;
        let answer = answer.map_err(|error| broken(&error))?;
        let status = answer.status().as_u16();
        let server = answer.headers().get(SERVER);
        let server = server.map(|it| it.as_bytes().to_vec());
        let body = Limited::new(answer.into_body(), limits::FILTER_JSON);
        let body = body.collect().await.map_err(|error| {
            let broken = error.downcast_ref().map(broken);
            broken.unwrap_or_else(|| Nonsense::TooLong.into())
        })?;
        Ok(Answered {
            status,
            server: server.unwrap_or_default(),
            body: body.to_bytes().to_vec(),
            has_all: true,
        })
    };
    let mut answering = std::pin::pin!(answering);
    let (mut feeding, mut connection) = (std::pin::pin!(feeding), std::pin::pin!(connection));
    let mut is_moving = true;
    loop {
        tokio::select! {
            biased;
            answer = &mut answering => return answer,
            error = &mut feeding => return Err(Trouble::Content(error)),
            // It moves the bytes, and may end before the answer is read.
            _ = &mut connection, if is_moving => is_moving = false,
        }
    }
}

fn broken(error: &hyper::Error) -> Trouble {
    if error.is_parse() {
        Nonsense::Unknown.into()
    } else {
        Trouble::Closed
    }
}
