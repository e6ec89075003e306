//! A connection to a server: sends bytes, reads replies, and drives the [`Greeting`].

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::error::{Error, Stage};
use super::greeting::{Greeting, Manner, Step};
use super::options::Timeouts;
use super::replies::ReplyReader;
use crate::backend::TlsPolicy;
use crate::base::{Shutdown, TlsInfo};
use crate::limits;
use crate::net::{BoxedStream, CertificateCheck, Handshake, TlsClient};
use crate::smtp::{Extensions, Reply};

const READ: usize = 4 * 1024;

/// A connection that has been greeted.
pub(super) struct Link {
    wire: Wire,
    /// What the server offers.
    pub(super) extensions: Extensions,
    /// How the connection is protected.
    pub(super) tls: Option<TlsInfo>,
    /// Who is at the other end.
    pub(super) proof: Proof,
}

/// Has the server proven who it is?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// No, or not as the one that was looked for.
    Nothing,
    /// Its certificate is the one that was asked for.
    Identity,
}

/// The bytes of a connection.
struct Wire {
    stream: BoxedStream,
    replies: ReplyReader,
    timeouts: Timeouts,
    /// Ends every wait.
    stop: Shutdown,
}

impl Link {
    /// Introduces us on `stream`.
    pub(super) async fn greet(
        stream: BoxedStream,
        manner: &Manner,
        timeouts: Timeouts,
        tls: &TlsClient,
    ) -> Result<Self, Error> {
        let mut wire = Wire {
            stream,
            replies: ReplyReader::default(),
            timeouts,
            stop: Shutdown::new(),
        };
        let mut protection = None;
        let mut greeting = Greeting::ExpectBanner;
        loop {
            let stage = greeting.stage();
            let reply = wire.reply(stage).await?;
            let (next, mut step) = if greeting.is_costly() {
                let manner = manner.clone();
                let work = tokio::task::spawn_blocking(move || greeting.handle(reply, &manner));
                let worked = work.await;
                worked.map_err(|error| Error::Login(error.to_string()))??
            } else {
                greeting.handle(reply, manner)?
            };
            greeting = next;
            if let Step::Secure = step {
                let (secured, info) = wire.secure(manner, tls).await?;
                wire = secured;
                protection = Some(info);
                (greeting, step) = Greeting::secured(manner);
            }
            match step {
                Step::Send(line) => wire.send(line.as_bytes(), greeting.stage()).await?,
                Step::Ready(mut extensions) => {
                    let proof = proof(manner, protection.as_ref());
                    // RFC 8689 §2: it is said to nobody else, whatever he offers.
                    extensions.requiretls &= proof == Proof::Identity;
                    return Ok(Self {
                        wire,
                        extensions,
                        proof,
                        tls: protection,
                    });
                }
                Step::Secure => return Err(Error::OutOfStep(stage, "TLS twice".to_owned())),
            }
        }
    }

    /// From now on this ends every wait.
    pub(super) fn obey(&mut self, stop: &Shutdown) {
        self.wire.stop = stop.clone();
    }

    /// Is nobody waiting for it any more?
    pub(super) fn is_stopped(&self) -> bool {
        self.wire.stop.is_stopping()
    }

    pub(super) async fn send(&mut self, bytes: &[u8], stage: Stage) -> Result<(), Error> {
        self.wire.send(bytes, stage).await
    }

    pub(super) async fn reply(&mut self, stage: Stage) -> Result<Reply, Error> {
        self.wire.reply(stage).await
    }

    /// What a server says before it cuts a connection, if it says anything.
    pub(super) async fn last_word(&mut self, stage: Stage) -> Option<Reply> {
        let reply = self.wire.reply_within(limits::FAREWELL_TIMEOUT, stage);
        reply.await.ok()
    }

    /// Has the server said nothing that it was not asked for?
    pub(super) const fn is_in_step(&self) -> bool {
        self.wire.replies.is_empty()
    }

    /// QUIT, RFC 5321 §4.1.1.10: the reply is waited for, but not long.
    pub(super) async fn quit(mut self) {
        let farewell = async {
            self.wire.send(b"QUIT\r\n", Stage::Reset).await?;
            self.wire.reply(Stage::Reset).await?;
            self.wire.stream.shutdown().await.map_err(Error::Dial)
        };
        // Whatever comes of it: the connection ends here.
        if let Ok(Err(error)) = tokio::time::timeout(limits::FAREWELL_TIMEOUT, farewell).await {
            tracing::debug!(%error, "QUIT");
        }
    }
}

impl Wire {
    async fn send(&mut self, bytes: &[u8], stage: Stage) -> Result<(), Error> {
        let stop = self.stop.clone();
        let limit = self.timeouts.of(stage).min(self.timeouts.piece);
        let write = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        let written = tokio::select! {
            biased;
            () = stop.stopping() => return Err(Error::Stopped(stage)),
            written = tokio::time::timeout(limit, write) => written,
        };
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Error::Cut(stage)),
            Err(_) => Err(Error::Silent(stage)),
        }
    }

    async fn reply(&mut self, stage: Stage) -> Result<Reply, Error> {
        self.reply_within(self.timeouts.of(stage), stage).await
    }

    async fn reply_within(&mut self, limit: Duration, stage: Stage) -> Result<Reply, Error> {
        let stop = self.stop.clone();
        // One deadline for the whole reply: a server that drips bytes gains nothing by it.
        let read = async {
            loop {
                match self.replies.next() {
                    Ok(Some(reply)) => return Ok(reply),
                    Ok(None) => {}
                    Err(why) => return Err(Error::OutOfStep(stage, why.to_string())),
                }
                let buffer = self.replies.buffer();
                buffer.reserve(READ);
                match self.stream.read_buf(buffer).await {
                    Ok(0) | Err(_) => return Err(Error::Cut(stage)),
                    Ok(_) => {}
                }
            }
        };
        tokio::select! {
            biased;
            // What it has said by now counts.
            reply = tokio::time::timeout(limit, read) => {
                reply.unwrap_or(Err(Error::Silent(stage)))
            }
            () = stop.stopping() => Err(Error::Stopped(stage)),
        }
    }

    async fn secure(self, manner: &Manner, tls: &TlsClient) -> Result<(Self, TlsInfo), Error> {
        // RFC 3207 §6: what came in plain text behind the reply was put there by somebody else.
        if !self.replies.is_empty() {
            let why = "it sent more than the reply before TLS".to_owned();
            return Err(Error::OutOfStep(Stage::StartTls, why));
        }
        let handshake = Handshake {
            name: &manner.name,
            check: &manner.check,
            pair: manner.pair.as_ref(),
        };
        let secured = tls.connect(self.stream, handshake).await;
        let (stream, info) = secured.map_err(Error::Tls)?;
        let wire = Self {
            stream,
            replies: ReplyReader::default(),
            timeouts: self.timeouts,
            stop: self.stop,
        };
        Ok((wire, info))
    }
}

/// What the handshake has proven.
fn proof(manner: &Manner, tls: Option<&TlsInfo>) -> Proof {
    let checked = match manner.check {
        CertificateCheck::Any => Proof::Nothing,
        // A name that came from DNS, where anybody could change it, proves that it is its own.
        CertificateCheck::Name | CertificateCheck::NameBy(_) => manner.named,
        CertificateCheck::Keys(_) | CertificateCheck::Dane { .. } => Proof::Identity,
    };
    match (tls, manner.tls) {
        (Some(_), TlsPolicy::Verified) => checked,
        (Some(_), TlsPolicy::Never | TlsPolicy::Opportunistic | TlsPolicy::Required)
        | (None, _) => Proof::Nothing,
    }
}

/// `TimedOut`, for a connection that did not come.
pub(super) fn timed_out() -> Error {
    Error::Dial(io::ErrorKind::TimedOut.into())
}
