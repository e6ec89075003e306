//! One conversation with clamd over a stream. Who calls has a deadline.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};

use super::Content;
use super::clamd::{self, Answer, ReplyReader};
use super::heard::{Finding, Heard, Nonsense};
use crate::limits;
use crate::net::BoxedStream;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// It cannot be reached.
    #[error("{0}")]
    Away(String),
    /// It took too long.
    #[error("it did not answer in time")]
    Late,
    /// All that it may be asked at one time is asked.
    #[error("it has too much to do")]
    Busy,
    /// It was left alone.
    #[error("it did not answer before")]
    Paused,
    /// What it said is no answer.
    #[error(transparent)]
    Nonsense(#[from] Nonsense),
    /// It answers before it has got all.
    #[error("it answered before it had the whole message")]
    Early,
    /// It ends the connection without an answer.
    #[error("it closed the connection without an answer")]
    Closed,
    /// It ends the connection as soon as it hears what it may do. `libmilter` does that for those
    /// who insist on more.
    #[error("it closed the connection at our greeting: does it insist on changing mail?")]
    Unwilling,
    /// It says so itself.
    #[error("it says: {0}")]
    Failed(String),
    /// What it wants to hear cannot be read.
    #[error("the password cannot be read: {0}")]
    Password(String),
    /// Our own disk fails.
    #[error("the message cannot be read: {0}")]
    Content(io::Error),
}

impl Trouble {
    /// Would it be there when asked whether it is, and fail at the next message?
    pub(super) const fn is_of_message(&self) -> bool {
        match self {
            Self::Nonsense(_) | Self::Early | Self::Failed(_) | Self::Password(_) => true,
            Self::Away(_)
            | Self::Late
            | Self::Busy
            | Self::Paused
            | Self::Closed
            | Self::Unwilling
            | Self::Content(_) => false,
        }
    }
}

/// How sending ended.
enum Sent {
    Whole,
    /// It takes no more: perhaps it has said why.
    Cut,
}

/// Is it there?
pub(super) async fn ping(stream: BoxedStream) -> Result<(), Trouble> {
    match command(stream, clamd::PING).await? {
        Answer::Pong => Ok(()),
        Answer::Failed(what) => Err(Trouble::Failed(what)),
        Answer::Version(_) | Answer::Clean | Answer::Bad(_) | Answer::TooLarge => {
            Err(Nonsense::Unknown.into())
        }
    }
}

/// What is it?
pub(super) async fn version(stream: BoxedStream) -> Result<String, Trouble> {
    match command(stream, clamd::VERSION).await? {
        Answer::Version(version) => Ok(version),
        Answer::Failed(what) => Err(Trouble::Failed(what)),
        Answer::Pong | Answer::Clean | Answer::Bad(_) | Answer::TooLarge => {
            Err(Nonsense::Unknown.into())
        }
    }
}

async fn command(stream: BoxedStream, command: &[u8]) -> Result<Answer, Trouble> {
    let (mut reading, mut writing) = tokio::io::split(stream);
    let told = async {
        writing.write_all(command).await?;
        writing.flush().await
    };
    told.await.map_err(|_| Trouble::Closed)?;
    answer(&mut reading).await
}

/// What does it say of a message? The answer is read while the message is sent: one that is too
/// large is answered, and the connection closed, in the middle of it.
pub(super) async fn ask(stream: BoxedStream, content: &dyn Content) -> Result<Heard, Trouble> {
    let (mut reading, mut writing) = tokio::io::split(stream);
    let sending = std::pin::pin!(send(&mut writing, content));
    let mut answering = std::pin::pin!(answer(&mut reading));
    let (sent, early) = tokio::select! {
        biased;
        sent = sending => (sent?, None),
        answer = &mut answering => (Sent::Cut, Some(answer?)),
    };
    let answer = match early {
        Some(answer) => answer,
        None => answering.await?,
    };
    match (answer, sent) {
        (Answer::Pong | Answer::Version(_), _) => Err(Nonsense::Unknown.into()),
        (Answer::Failed(what), _) => Err(Trouble::Failed(what)),
        // Of what it has not seen it cannot say that it is clean.
        (Answer::Clean, Sent::Cut) => Err(Trouble::Early),
        (Answer::Clean, Sent::Whole) => Ok(Heard::new(Finding::Clean, b"")),
        (Answer::Bad(said), _) => Ok(Heard::new(Finding::Bad, said.as_bytes())),
        (Answer::TooLarge, _) => Ok(Heard::too_large()),
    }
}

async fn send(
    writing: &mut WriteHalf<BoxedStream>,
    content: &dyn Content,
) -> Result<Sent, Trouble> {
    if writing.write_all(clamd::BEGIN).await.is_err() {
        return Ok(Sent::Cut);
    }
    let mut at = 0;
    while at < content.len() {
        let piece = content.read(at, limits::FILTER_PIECE).await;
        let piece = piece.map_err(Trouble::Content)?;
        if piece.is_empty() {
            let error = io::ErrorKind::UnexpectedEof.into();
            return Err(Trouble::Content(error));
        }
        at += piece.len() as u64;
        let told = async {
            writing.write_all(&clamd::piece_length(&piece)).await?;
            writing.write_all(&piece).await
        };
        if told.await.is_err() {
            return Ok(Sent::Cut);
        }
    }
    let told = async {
        writing.write_all(&clamd::END).await?;
        writing.flush().await
    };
    Ok(if told.await.is_ok() {
        Sent::Whole
    } else {
        Sent::Cut
    })
}

async fn answer(reading: &mut ReadHalf<BoxedStream>) -> Result<Answer, Trouble> {
    let mut reader = ReplyReader::default();
    let mut input = BytesMut::with_capacity(limits::FILTER_ANSWER);
    loop {
        input.clear();
        match reading.read_buf(&mut input).await {
            Ok(0) | Err(_) => return Err(Trouble::Closed),
            Ok(_) => {}
        }
        if let Some(answer) = reader.push(&input)? {
            return Ok(answer);
        }
    }
}
