//! One conversation with a milter over a stream: one message, one connection.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};

use super::fields::{Cutter, End, Field};
use super::heard::{Finding, Heard, Nonsense};
use super::milter::{self, Agreed, Answer, Lasting, Stage};
use super::talk::Trouble;
use super::{Content, Matter};
use crate::limits;
use crate::net::BoxedStream;

/// How long it is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// From the beginning, and from each sign of progress.
    pub(super) each: Duration,
    /// In all.
    pub(super) until: Instant,
}

/// Is it there, and does it speak as we do? In which version?
pub(super) async fn version(stream: BoxedStream, patience: Patience) -> Result<u32, Trouble> {
    let (mut talk, agreed) = Talk::begin(stream, patience).await?;
    talk.quit().await;
    Ok(agreed.version())
}

/// What does it say of a message?
pub(super) async fn ask(
    stream: BoxedStream,
    matter: Matter<'_>,
    patience: Patience,
) -> Result<Heard, Trouble> {
    let (mut talk, agreed) = Talk::begin(stream, patience).await?;
    let mut consult = Consult {
        talk: &mut talk,
        agreed,
        notes: Notes::default(),
    };
    let finding = consult.all(matter).await?;
    let heard = consult.notes.conclude(finding, matter.scope);
    talk.quit().await;
    Ok(heard)
}

/// Who accepts in the middle has seen no more.
const EARLY: &str = "accepted before it had the whole message";

/// Packets in both directions.
struct Talk {
    stream: BoxedStream,
    patience: Patience,
    deadline: Instant,
    /// How many packets may still come until something is said again.
    left: usize,
}

impl Talk {
    async fn begin(stream: BoxedStream, patience: Patience) -> Result<(Self, Agreed), Trouble> {
        let mut talk = Self {
            stream,
            patience,
            deadline: patience.until.min(Instant::now() + patience.each),
            left: limits::FILTER_PACKETS,
        };
        talk.say(&milter::offer()).await?;
        let agreed = match talk.packet().await {
            Err(Trouble::Closed) => return Err(Trouble::Unwilling),
            answer => Agreed::read(&answer?)?,
        };
        Ok((talk, agreed))
    }

    async fn say(&mut self, packet: &[u8]) -> Result<(), Trouble> {
        self.left = limits::FILTER_PACKETS;
        let told = async {
            self.stream.write_all(packet).await?;
            self.stream.flush().await
        };
        let told = timeout_at(self.deadline, told).await;
        told.map_err(|_| Trouble::Late)?
            .map_err(|_| Trouble::Closed)
    }

    async fn packet(&mut self) -> Result<Vec<u8>, Trouble> {
        self.left = self.left.checked_sub(1).ok_or(Nonsense::TooLong)?;
        let read = async {
            let length = self.stream.read_u32().await;
            let length = usize::try_from(length.map_err(|_| Trouble::Closed)?);
            let length = length.unwrap_or(usize::MAX);
            if length > limits::FILTER_PACKET {
                return Err(Nonsense::TooLong.into());
            }
            let mut packet = vec![0; length];
            let read = self.stream.read_exact(&mut packet).await;
            read.map_err(|_| Trouble::Closed)?;
            Ok(packet)
        };
        let read = timeout_at(self.deadline, read).await;
        read.map_err(|_| Trouble::Late)?
    }

    /// The next answer that is more than a sign of life.
    async fn answer(&mut self) -> Result<Answer, Trouble> {
        loop {
            let answer = Answer::read(&self.packet().await?)?;
            if answer != Answer::Progress {
                return Ok(answer);
            }
            let longer = Instant::now() + self.patience.each;
            self.deadline = self.patience.until.min(longer);
        }
    }

    /// What it thinks of a goodbye does not matter.
    async fn quit(&mut self) {
        // Nor must a verdict wait for it.
        self.deadline = self.deadline.min(Instant::now() + limits::FILTER_GOODBYE);
        self.say(&milter::quit()).await.ok();
    }
}

/// What is collected on the way.
#[derive(Debug, Default)]
struct Notes {
    /// Recipients that it refuses for good.
    refused: Refused,
    /// Those that it would hear of later.
    put_off: Refused,
    /// In its words.
    words: String,
    /// Why it would have it put aside.
    aside: Option<String>,
    fields: Vec<String>,
    /// What it would have changed.
    undone: Vec<&'static str>,
}

/// Recipients to whom it said no.
#[derive(Debug, Clone, Default)]
struct Refused {
    numbers: Vec<u16>,
    /// What it said of the first of them that it had words for.
    words: String,
}

impl Refused {
    fn add(&mut self, number: u16, words: String) {
        self.numbers.push(number);
        if self.words.is_empty() {
            self.words = words;
        }
    }
}

impl Notes {
    /// What it comes to for those in `asked`. Who is refused by himself stays refused, also when it
    /// says something else of others, or less of the whole message, later.
    fn conclude(self, end: Finding, asked: &[u16]) -> Heard {
        let late = if end == Finding::Later {
            Refused {
                numbers: asked.to_vec(),
                words: self.words.clone(),
            }
        } else {
            self.put_off
        };
        let all = asked.to_vec();
        let (finding, what, words, numbers) = match (end, self.aside) {
            (Finding::Clean, Some(reason)) => (Finding::Aside, "quarantine", reason, all),
            (Finding::Aside, _) => (end, "discard", self.words, all),
            (Finding::Bad, _) => (end, "reject", self.words, all),
            _ if !self.refused.numbers.is_empty() => {
                let Refused { numbers, words } = self.refused;
                (Finding::Bad, "reject", words, numbers)
            }
            _ if !late.numbers.is_empty() => {
                let Refused { numbers, words } = late.clone();
                (Finding::Later, "tempfail", words, numbers)
            }
            _ => (end, "", self.words, all),
        };
        let mut later = late.numbers;
        later.retain(|number| !numbers.contains(number));
        let mut parts = vec![what.to_owned(), words.clone()];
        if !later.is_empty() {
            parts.extend(["others".to_owned(), "tempfail".to_owned(), late.words]);
        }
        parts.extend((!self.undone.is_empty()).then(|| {
            let all = self.undone.join(", ");
            format!("wanted changes that are not made: {all}")
        }));
        parts.retain(|part| !part.is_empty());
        Heard {
            only: (numbers.len() < asked.len()).then_some(numbers),
            later,
            fields: self.fields.concat(),
            ..Heard::new(finding, parts.join(": ").as_bytes()).telling(words.as_bytes())
        }
    }

    fn change(&mut self, what: &'static str) {
        if !self.undone.contains(&what) {
            self.undone.push(what);
        }
    }

    fn add(&mut self, name: &[u8], value: &[u8]) {
        match milter::added(name, value) {
            Some(field) if self.fields.len() < limits::FILTER_FIELDS => self.fields.push(field),
            Some(_) | None => self.change("a field"),
        }
    }
}

struct Consult<'t> {
    talk: &'t mut Talk,
    agreed: Agreed,
    notes: Notes,
}

/// What follows from an answer.
enum Next {
    On,
    Skip,
    End(Finding),
}

impl Consult<'_> {
    /// The whole message, until something is found or all is told.
    async fn all(&mut self, matter: Matter<'_>) -> Result<Finding, Trouble> {
        for (stage, said) in [
            (Stage::Connect, milter::connect(matter)),
            (Stage::Helo, milter::helo(matter)),
            (Stage::Mail, milter::mail(matter)),
        ] {
            if let Next::End(finding) = self.stage(stage, &said).await? {
                return Ok(finding);
            }
        }
        if let Next::End(finding) = self.recipients(matter).await? {
            return Ok(finding);
        }
        let said = milter::reached(matter, Stage::Data);
        if let Next::End(finding) = self.stage(Stage::Data, &said).await? {
            return Ok(finding);
        }
        let body = match self.header(matter.content).await? {
            Ok(end) => end.body,
            Err(finding) => return Ok(finding),
        };
        let said = milter::reached(matter, Stage::EndOfHeader);
        if let Next::End(finding) = self.stage(Stage::EndOfHeader, &said).await? {
            return Ok(finding);
        }
        if let Next::End(finding) = self.body(matter.content, body).await? {
            return Ok(finding);
        }
        self.end_of_message(matter).await
    }

    /// Tells it of something, if it wants to know, and hears what it says, if it says something.
    async fn stage(&mut self, stage: Stage, said: &[u8]) -> Result<Next, Trouble> {
        if !self.agreed.wants(stage) {
            return Ok(Next::On);
        }
        self.talk.say(said).await?;
        if !self.agreed.answers(stage) {
            return Ok(Next::On);
        }
        let answer = self.talk.answer().await?;
        self.follow(answer, stage)
    }

    fn follow(&mut self, answer: Answer, stage: Stage) -> Result<Next, Trouble> {
        Ok(match answer {
            Answer::Continue => Next::On,
            Answer::Skip if stage == Stage::Body => Next::Skip,
            Answer::Accept => {
                if stage != Stage::EndOfMessage {
                    self.notes.words = String::from(EARLY);
                }
                Next::End(Finding::Clean)
            }
            Answer::Reject => Next::End(Finding::Bad),
            Answer::TempFail => Next::End(Finding::Later),
            Answer::Discard => Next::End(Finding::Aside),
            Answer::Reply(lasting, words) => {
                self.notes.words = words;
                Next::End(match lasting {
                    Lasting::ForGood => Finding::Bad,
                    Lasting::ForNow => Finding::Later,
                })
            }
            Answer::Trouble => {
                let what = "it can take nothing now".to_owned();
                return Err(Trouble::Failed(what));
            }
            // What is changed is changed at the end of the message, and nowhere else.
            Answer::Skip
            | Answer::Progress
            | Answer::Quarantine(_)
            | Answer::Add(..)
            | Answer::Change(_) => return Err(Nonsense::Unknown.into()),
        })
    }

    /// Who is refused is known by himself: the message goes on for the others.
    async fn recipients(&mut self, matter: Matter<'_>) -> Result<Next, Trouble> {
        let mut is_left = false;
        for (number, recipient) in matter.recipients() {
            let said = milter::rcpt(&recipient.address.to_string());
            let next = self.stage(Stage::Rcpt, &said).await?;
            let notes = &mut self.notes;
            let refused = match next {
                Next::End(Finding::Bad) => &mut notes.refused,
                Next::End(Finding::Later) => &mut notes.put_off,
                Next::End(finding) => return Ok(Next::End(finding)),
                Next::On | Next::Skip => {
                    is_left = true;
                    continue;
                }
            };
            // They are about him, and not about what comes behind him.
            refused.add(number, std::mem::take(&mut notes.words));
        }
        // Nobody is left to whom it could go.
        Ok(if is_left {
            Next::On
        } else {
            Next::End(Finding::Clean)
        })
    }

    async fn header(&mut self, content: &dyn Content) -> Result<Result<End, Finding>, Trouble> {
        let (mut cutter, mut at) = (Cutter::default(), 0);
        // The first field is our own `Received`, which milters are never shown.
        let mut is_ours = true;
        loop {
            let piece = read(content, at).await?;
            at += piece.len() as u64;
            let mut found = Vec::new();
            let end = if piece.is_empty() {
                Some(std::mem::take(&mut cutter).finish(&mut found))
            } else {
                cutter.push(&piece, &mut found)
            };
            for field in found {
                let is_skipped = is_ours && field.name.eq_ignore_ascii_case(b"received");
                is_ours = false;
                if is_skipped {
                    continue;
                }
                let said = milter::told(Stage::Header, &self.one(&field));
                if let Next::End(finding) = self.stage(Stage::Header, &said).await? {
                    return Ok(Err(finding));
                }
            }
            if let Some(end) = end {
                return Ok(Ok(end));
            }
        }
    }

    fn one(&self, field: &Field) -> Vec<u8> {
        let value = field.value.as_slice();
        let bare = value.strip_prefix(b" ").unwrap_or(value);
        let value = if self.agreed.wants_blanks() {
            value
        } else {
            bare
        };
        [&field.name[..], b"\0", value, b"\0"].concat()
    }

    async fn body(&mut self, content: &dyn Content, from: u64) -> Result<Next, Trouble> {
        let mut at = from;
        while at < content.len() && self.agreed.wants(Stage::Body) {
            let piece = read(content, at).await?;
            at += piece.len() as u64;
            match self
                .stage(Stage::Body, &milter::told(Stage::Body, &piece))
                .await?
            {
                Next::On => {}
                Next::Skip => break,
                end @ Next::End(_) => return Ok(end),
            }
        }
        Ok(Next::On)
    }

    async fn end_of_message(&mut self, matter: Matter<'_>) -> Result<Finding, Trouble> {
        let said = milter::reached(matter, Stage::EndOfMessage);
        self.talk.say(&said).await?;
        loop {
            match self.talk.answer().await? {
                Answer::Add(name, value) => self.notes.add(&name, &value),
                Answer::Change(what) => self.notes.change(what),
                Answer::Quarantine(reason) => self.notes.aside = Some(reason),
                answer @ (Answer::Continue
                | Answer::Accept
                | Answer::Reject
                | Answer::TempFail
                | Answer::Discard
                | Answer::Skip
                | Answer::Progress
                | Answer::Reply(..)
                | Answer::Trouble) => {
                    return Ok(match self.follow(answer, Stage::EndOfMessage)? {
                        Next::End(finding) => finding,
                        Next::On | Next::Skip => Finding::Clean,
                    });
                }
            }
        }
    }
}

/// The bytes from `at` on that fit into a packet; none at the end.
async fn read(content: &dyn Content, at: u64) -> Result<bytes::Bytes, Trouble> {
    if at >= content.len() {
        return Ok(bytes::Bytes::new());
    }
    let piece = content.read(at, limits::FILTER_CHUNK).await;
    let piece = piece.map_err(Trouble::Content)?;
    if piece.is_empty() {
        let error = std::io::ErrorKind::UnexpectedEof.into();
        return Err(Trouble::Content(error));
    }
    Ok(piece)
}
