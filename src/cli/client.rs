//! Asks the server that runs, over the unix socket in its `data_dir`.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

use super::intent::Request;
use crate::admin::{ACTOR, REASON, Refusal, SOCKET};
use crate::base::{Shutdown, percent_encoded};
use crate::net::{BoxedStream, connect_unix};
use crate::spool::is_in_use;

/// A page of the queue is well below this.
const ANSWER: usize = 64 * 1024 * 1024;
/// The server answers everything in milliseconds; when it is stuck, people must not wait for ever.
const PATIENCE: Duration = Duration::from_secs(60);
/// Who only looks asks after so long whether the server answers anybody …
const DOUBT: Duration = Duration::from_secs(10);
/// … and waits so long for a word.
const WORD: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// Nobody listens.
    #[error(
        "tideover is not running on {data_dir} ({why}): start it with `tideover serve -c {config}`"
    )]
    NotRunning {
        data_dir: PathBuf,
        why: &'static str,
        config: PathBuf,
    },
    /// Nobody listens, and somebody has the spool.
    #[error(
        "nobody answers on {data_dir} ({why}), but a program has its spool open: a server that \
         starts or stops, or whose admin.sock was removed: it makes it again within seconds, so \
         say it again then; or a verb like `tideover spool rebuild`. Its log tells more"
    )]
    Deaf {
        data_dir: PathBuf,
        why: &'static str,
    },
    /// Somebody else's.
    #[error(
        "{socket} may only be opened by the user who runs tideover: become that user \
         (for example `sudo -u tideover tideover status`)"
    )]
    NotYours { socket: String },
    /// The path is longer than the system takes.
    #[error("{socket} is too long for a unix socket: choose a shorter data_dir")]
    TooLong { socket: String },
    /// The connection broke.
    #[error("tideover does not answer on {socket}: {what}; look at its log")]
    Broken { socket: String, what: String },
    /// The server says no.
    #[error("{}\n  {}", .0.error, .0.hint)]
    Refused(Refusal),
    /// It does not have it, or has it no more.
    #[error("{}\n  {}", .0.error, .0.hint)]
    NotFound(Refusal),
    /// What it said could not be written down here.
    #[error("the file: {0}")]
    NotKept(io::Error),
    /// It refuses its config.
    #[error("{}\n  {}", .0.error, .0.hint)]
    BadConfig(Refusal),
}

impl ClientError {
    /// The server had the question: it answers, or breaks off.
    pub(crate) const fn was_asked(&self) -> bool {
        matches!(
            self,
            Self::Refused(_) | Self::NotFound(_) | Self::BadConfig(_) | Self::Broken { .. }
        )
    }

    /// The server could not be asked at all.
    pub(crate) const fn is_unreachable(&self) -> bool {
        !matches!(
            self,
            Self::Refused(_) | Self::NotFound(_) | Self::NotKept(_) | Self::BadConfig(_)
        )
    }
}

/// Who asks, and why: for the audit log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) actor: String,
    /// Empty when it was not said.
    pub(crate) reason: String,
}

/// The door of one server.
#[derive(Debug)]
pub(crate) struct Client {
    said: Said,
    data_dir: PathBuf,
    socket: PathBuf,
    config: PathBuf,
}

impl Client {
    /// The server that `config` describes, with its `data_dir`.
    pub(crate) fn new(data_dir: &Path, config: &Path) -> Self {
        Self {
            said: Said::default(),
            data_dir: data_dir.to_owned(),
            socket: data_dir.join(SOCKET),
            config: config.to_owned(),
        }
    }

    /// Asks as somebody, and says why.
    pub(crate) fn said(mut self, said: Said) -> Self {
        self.said = said;
        self
    }

    /// Sends `request` and reads the answer.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        request: Request,
    ) -> Result<T, ClientError> {
        match tokio::time::timeout(PATIENCE, self.ask_patiently(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(self.silent(PATIENCE)),
        }
    }

    /// The same for what the server asks others about: it has its own bounds.
    pub(crate) async fn ask_patiently<T: DeserializeOwned>(
        &self,
        request: Request,
    ) -> Result<T, ClientError> {
        let looks = request.body.is_none();
        let answer = self.answer(request);
        if looks {
            return self.while_it_answers(answer).await;
        }
        answer.await
    }

    /// Waits for an answer, as long as the server answers other questions meanwhile: one that is
    /// stopped, or whose disk hangs, answers none.
    async fn while_it_answers<T>(
        &self,
        answer: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        tokio::pin!(answer);
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return answer,
                () = tokio::time::sleep(DOUBT) => {}
            }
            tokio::select! {
                biased;
                answer = &mut answer => return answer,
                word = tokio::time::timeout(WORD, self.has_a_word()) => if word.is_err() {
                    return Err(self.silent(DOUBT + WORD));
                },
            }
        }
    }

    /// Returns when the server has answered a question that is answered at once, or breaks off.
    async fn has_a_word(&self) {
        if let Ok(stream) = connect_unix(&self.socket).await {
            let health = Request::get("/health".to_owned());
            // Whatever it says, it says something.
            send(stream, (health, &self.said)).await.ok();
        }
    }

    fn silent(&self, waited: Duration) -> ClientError {
        self.broken(format!("no answer in {} s", waited.as_secs()))
    }

    async fn answer<T: DeserializeOwned>(&self, request: Request) -> Result<T, ClientError> {
        let stream = connect_unix(&self.socket)
            .await
            .map_err(|error| self.unreachable(&error))?;
        match exchange(stream, (request, &self.said)).await {
            Ok((status, body)) => self.read(status, &body),
            Err(what) => Err(self.broken(what)),
        }
    }

    /// Sends the bytes of a file to `path` and reads the answer.
    pub(crate) async fn upload<T: DeserializeOwned>(
        &self,
        path: String,
        file: Vec<u8>,
    ) -> Result<T, ClientError> {
        let stream = connect_unix(&self.socket)
            .await
            .map_err(|error| self.unreachable(&error))?;
        let answer = async {
            let response =
                send_bytes(stream, (Method::POST, path), (file.into(), &self.said)).await?;
            whole(response).await
        };
        match answer.await {
            Ok((status, body)) => self.read(status, &body),
            Err(what) => Err(self.broken(what)),
        }
    }

    /// Sends `request` and writes the answer to `file`, piece by piece; how many bytes.
    pub(crate) async fn save(&self, request: Request, file: &mut File) -> Result<u64, ClientError> {
        let stream = connect_unix(&self.socket)
            .await
            .map_err(|error| self.unreachable(&error))?;
        let response = send(stream, (request, &self.said)).await;
        let response = response.map_err(|what| self.broken(what))?;
        if response.status() != StatusCode::OK {
            let (status, body) = whole(response).await.map_err(|what| self.broken(what))?;
            return Err(self.refused(status, &body));
        }
        let mut body = response.into_body();
        let mut written = 0;
        loop {
            let frame = tokio::time::timeout(PATIENCE, body.frame()).await;
            let frame = frame.map_err(|_| self.broken("it stopped in the middle".to_owned()))?;
            let Some(frame) = frame else {
                return Ok(written);
            };
            let frame = frame.map_err(|error| self.broken(error.to_string()))?;
            if let Some(piece) = frame.data_ref() {
                let wrote = file.write_all(piece).await;
                wrote.map_err(ClientError::NotKept)?;
                written += piece.len() as u64;
            }
        }
    }

    fn read<T: DeserializeOwned>(&self, status: u16, body: &[u8]) -> Result<T, ClientError> {
        if (200..300).contains(&status) {
            return serde_json::from_slice(body).map_err(|error| {
                self.broken(format!(
                    "its answer is not understood ({error}); are the server and \
                                     the command line of the same version?"
                ))
            });
        }
        Err(self.refused(status, body))
    }

    fn refused(&self, status: u16, body: &[u8]) -> ClientError {
        let refused = match status {
            422 => ClientError::BadConfig,
            404 => ClientError::NotFound,
            _ => ClientError::Refused,
        };
        serde_json::from_slice(body)
            .map_or_else(|_| self.broken(format!("HTTP status {status}")), refused)
    }

    fn broken(&self, what: String) -> ClientError {
        ClientError::Broken {
            socket: self.socket.display().to_string(),
            what,
        }
    }

    fn unreachable(&self, error: &io::Error) -> ClientError {
        let socket = self.socket.display().to_string();
        let not_running = |why| {
            let data_dir = self.data_dir.clone();
            // The lock tells the truth, whatever became of the socket.
            if is_in_use(&data_dir) {
                return ClientError::Deaf { data_dir, why };
            }
            ClientError::NotRunning {
                data_dir,
                why,
                config: self.config.clone(),
            }
        };
        let kind = error.kind();
        if kind == io::ErrorKind::NotFound {
            not_running("no admin.sock")
        } else if kind == io::ErrorKind::ConnectionRefused {
            not_running("nobody listens on admin.sock")
        } else if kind == io::ErrorKind::PermissionDenied {
            ClientError::NotYours { socket }
        } else if kind == io::ErrorKind::InvalidInput {
            ClientError::TooLong { socket }
        } else {
            self.broken(error.to_string())
        }
    }
}

async fn exchange(stream: BoxedStream, asked: (Request, &Said)) -> Result<(u16, Bytes), String> {
    whole(send(stream, asked).await?).await
}

async fn whole(response: Response<Incoming>) -> Result<(u16, Bytes), String> {
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), ANSWER)
        .collect()
        .await
        .map_err(|error| error.to_string())?;
    Ok((status, body.to_bytes()))
}

/// The head of the answer; its body comes while it is read.
async fn send(
    stream: BoxedStream,
    (request, said): (Request, &Said),
) -> Result<Response<Incoming>, String> {
    let method = if request.body.is_some() {
        Method::POST
    } else {
        Method::GET
    };
    let body = Bytes::from(request.body.unwrap_or_default());
    send_bytes(stream, (method, request.path), (body, said)).await
}

async fn send_bytes(
    stream: BoxedStream,
    (method, path): (Method, String),
    (body, said): (Bytes, &Said),
) -> Result<Response<Incoming>, String> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let tasks = Shutdown::new();
    tasks.spawn("admin client", async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the connection to the server ended");
        }
    });
    let mut request = hyper::Request::builder();
    for (name, text) in [(ACTOR, &said.actor), (REASON, &said.reason)] {
        if !text.is_empty() {
            // A header is ASCII.
            request = request.header(name, percent_encoded(text));
        }
    }
    let request = request
        .method(method)
        .uri(path)
        .header(hyper::header::HOST, "tideover")
        .header(hyper::header::CONTENT_TYPE, "application/json")
        .body(Full::new(body))
        .map_err(|error| error.to_string())?;
    sender
        .send_request(request)
        .await
        .map_err(|error| error.to_string())
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
