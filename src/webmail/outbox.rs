//! The way out of a letter: it waits some seconds in which its writer can call it back, then it is
//! a message. Each step is durable before the next one, so that a crash sends it once.

use std::time::Duration;

use futures_util::future::join_all;

use super::Webmail;
use super::accounts::{Account, AccountError, blocking};
use super::drafts::{Draft, File, Leaving, Name};
use super::error::WebError;
use super::recipients::{Addressed, Refusal};
use super::sent::{is_sent, senders};
use crate::base::{Shutdown, Timestamp};
use crate::mail::{
    Authenticity, BASE64_LINE, Envelope, Letter, LetterFile, Peer, SpoolId, base64_lines,
};
use crate::smtp::{MailParameters, Mailbox, ReversePath};
use crate::spool::{Draft as Body, Spool, SpoolError, StoredMessage};

/// Bytes of a file that are encoded at once.
const PIECE: usize = BASE64_LINE * 4096;
/// Between two tries when the spool is full or the index is made.
const RETRY: Duration = Duration::from_secs(15);
/// The outbox is looked at so often when nothing is in it.
const IDLE: Duration = Duration::from_secs(3600);
/// The window that sending is counted in.
pub(crate) const WINDOW: Duration = Duration::from_secs(3600);
/// Rows that are read at once.
const CHUNK: usize = 256;

/// What becomes of a letter that its writer sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It has left.
    Left,
    /// It leaves soon.
    Leaves,
    /// It has left or leaves as another page had it.
    Elsewhere,
}

/// Why a letter does not leave.
#[derive(Debug)]
pub(crate) enum Unsent {
    /// Whom it goes to is wrong.
    Refused(Vec<Refusal>),
    /// Its writer has sent enough for this hour: what he may send, in messages and recipients.
    Enough(u32, u32),
    /// No room in the spool.
    Full,
    Web(WebError),
}

impl<E: Into<WebError>> From<E> for Unsent {
    fn from(error: E) -> Self {
        Self::Web(error.into())
    }
}

impl Webmail {
    /// Sends a letter: durable when this returns.
    pub(crate) async fn send(
        &self,
        name: &Name,
        (writer, addresses): (&Mailbox, &[Mailbox]),
        draft: &Draft,
    ) -> Result<Sent, Unsent> {
        let _lock = self.0.letters.lock(&name.account).await;
        if self.left_elsewhere(name, &draft.page).await? {
            return Ok(Sent::Elsewhere);
        }
        if self.has_left(name).await? {
            return Ok(Sent::Left);
        }
        let reached = self.addressed(writer, draft).map_err(Unsent::Refused)?;
        let recipients = reached.recipients.len();
        if matches!(self.0.world.spool.admission(), Err(error) if error.is_full()) {
            return Err(Unsent::Full);
        }
        self.put_draft(name, draft).await.map_err(full)?;
        if self.leaving(name).await?.is_some() {
            // Sent once more, perhaps changed: it is not counted twice.
            self.put_leaving(name, None).await?;
        }
        self.check_allowance(&name.account, addresses, recipients)
            .await?;
        let undo = self.0.options.writing.undo_send;
        if undo.is_zero() {
            self.deliver(name, draft, reached).await?;
            return Ok(Sent::Left);
        }
        let at = self.0.world.clock.now().after(undo);
        let leaving = Leaving { at, recipients };
        self.put_leaving(name, Some(leaving)).await.map_err(full)?;
        self.0.leaving.notify_one();
        Ok(Sent::Leaves)
    }

    /// Calls a letter back; `false` when it has left already.
    pub(crate) async fn call_back(&self, name: &Name) -> Result<bool, WebError> {
        let _lock = self.0.letters.lock(&name.account).await;
        if self.leaving(name).await?.is_none() {
            return Ok(false);
        }
        self.put_leaving(name, None).await?;
        Ok(true)
    }

    /// Writes a letter down, unless it is on its way or has left: a form can come late.
    pub(crate) async fn save(&self, name: &Name, draft: &Draft) -> Result<bool, Unsent> {
        let _lock = self.0.letters.lock(&name.account).await;
        if self.leaving(name).await?.is_some() || self.has_left(name).await? {
            return Ok(false);
        }
        self.put_draft(name, draft).await.map_err(full)?;
        Ok(true)
    }

    /// Throws a letter away that has not been sent.
    pub(crate) async fn discard(&self, name: &Name) -> Result<(), WebError> {
        let _lock = self.0.letters.lock(&name.account).await;
        if self.leaving(name).await?.is_some() {
            return Ok(());
        }
        self.forget_draft(name).await
    }

    /// Sends the letters of the outbox when it is time for each, until the stop. What waits then
    /// leaves at the next start.
    pub async fn outbox_task(self, shutdown: Shutdown) {
        loop {
            let next = self.send_due().await;
            let wait = next.map_or(IDLE, |next| next.since(self.0.world.clock.now()));
            tokio::select! {
                () = shutdown.stopping() => return,
                () = self.0.leaving.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Sends what is due; when the next look is to be.
    pub(crate) async fn send_due(&self) -> Option<Timestamp> {
        let later = self.0.world.clock.now().after(RETRY);
        let all = match self.all_leaving(None).await {
            Ok(all) => all,
            Err(SpoolError::Closed) => return None,
            Err(error) => {
                tracing::warn!(%error, "webmail: the outbox cannot be read yet");
                return Some(later);
            }
        };
        let now = self.0.world.clock.now();
        let (due, waiting): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, one)| one.at <= now);
        let next = waiting.iter().map(|(_, leaving)| leaving.at).min();
        let sent = join_all(due.iter().map(|(name, _)| self.send_one(name))).await;
        let failed = sent.iter().any(Result::is_err).then_some(later);
        next.into_iter().chain(failed).min()
    }

    async fn send_one(&self, name: &Name) -> Result<(), ()> {
        let _lock = self.0.letters.lock(&name.account).await;
        // Called back since.
        let is_due = |leaving: Leaving| leaving.at <= self.0.world.clock.now();
        match self.leaving(name).await {
            Ok(leaving) if leaving.is_some_and(is_due) => {}
            Ok(_) => return Ok(()),
            Err(_) => return Err(()),
        }
        let sent = async {
            if self.has_left(name).await? {
                self.put_leaving(name, None).await?;
                return Ok(self.forget_draft(name).await?);
            }
            let Some(draft) = self.draft(name).await? else {
                return Ok(self.put_leaving(name, None).await?);
            };
            let Some(writer) = self.writer(name).await? else {
                // What somebody sent before he was shut out does not leave, and is not lost.
                let token = name.token.get(..8);
                tracing::warn!(
                    account = name.account,
                    token,
                    "a letter of a closed account does not leave; it is a draft again"
                );
                return Ok(self.bring_back(name, draft).await?);
            };
            match self.addressed(&writer, &draft) {
                Ok(addressed) => self.deliver(name, &draft, addressed).await,
                Err(_) => Ok(self.bring_back(name, draft).await?),
            }
        };
        sent.await.map_err(|unsent| {
            let token = name.token.get(..8);
            tracing::warn!(account = name.account, token, ?unsent, "a letter waits");
        })
    }

    /// The own address of who wrote a letter; `None`: his account was closed since, or his
    /// address is somebody else's.
    async fn writer(&self, name: &Name) -> Result<Option<Mailbox>, WebError> {
        match self.0.world.accounts.find(&name.account).await {
            Ok(account) => {
                let account = account.filter(Account::is_open);
                Ok(account.and_then(|account| self.person_of(&account)))
            }
            // Nobody can log in to it.
            Err(AccountError::Damaged(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Somebody was taken out of the directory in these seconds.
    async fn bring_back(&self, name: &Name, draft: Draft) -> Result<(), WebError> {
        let came_back = true;
        let draft = Draft { came_back, ..draft };
        self.put_draft(name, &draft).await?;
        self.put_leaving(name, None).await
    }

    /// Has a letter become a message? Others may write its Message-ID into theirs.
    async fn has_left(&self, name: &Name) -> Result<bool, WebError> {
        let (spool, id) = (self.0.world.spool.clone(), self.message_id(name));
        let account = name.account.clone();
        let has_left = blocking(move || {
            for id in spool.by_message_id(&id)? {
                let message = spool.message(id)?;
                if message.is_some_and(|message| is_sent(&message.envelope, &account, &[])) {
                    return Ok(true);
                }
            }
            Ok::<_, SpoolError>(false)
        });
        Ok(has_left.await??)
    }

    pub(crate) fn message_id(&self, name: &Name) -> String {
        format!("{}@{}", name.token, self.0.options.hostname)
    }

    /// Makes a message of a letter, and forgets the letter.
    async fn deliver(
        &self,
        name: &Name,
        draft: &Draft,
        addressed: Addressed,
    ) -> Result<(), Unsent> {
        let from = addressed.from;
        let own_name = self.name_of(&from);
        let message_id = self.message_id(name);
        let html = draft.page("");
        let files: Vec<LetterFile> = draft.files.iter().map(letter_file).collect();
        let letter = Letter {
            from: (own_name.as_deref(), &from),
            to: &addressed.to,
            cc: &addressed.cc,
            subject: &draft.subject,
            text: &draft.text,
            html: html.as_deref(),
            message_id: &message_id,
            date: self.0.world.clock.now(),
            references: &draft.references,
            calendar: draft.calendar.as_deref().filter(|_| files.is_empty()),
            files: &files,
        };
        let pieces = letter.to_pieces(&self.0.world.entropy.token());
        let pieces = pieces.map_err(|_| WebError::Internal)?;
        let spool = &self.0.world.spool;
        let mut body = spool.draft_of_ours();
        let received = self.received_line(body.id());
        body.append(received.as_bytes()).await.map_err(full_spool)?;
        let mut files = draft.files.iter();
        for piece in pieces {
            body.append(&piece).await.map_err(full_spool)?;
            if let Some(file) = files.next() {
                self.append_file(&mut body, (&name.account, file)).await?;
            }
        }
        let recipients = addressed.recipients;
        let is_ascii = from.is_ascii() && recipients.iter().all(|one| one.address.is_ascii());
        let envelope = Envelope {
            from: ReversePath::Mailbox(from.clone()),
            parameters: MailParameters {
                smtputf8: !is_ascii,
                ..MailParameters::default()
            },
            recipients,
            peer: Peer {
                protocol: "webmail".to_owned(),
                user: Some(name.account.clone()),
                ..Peer::default()
            },
            message_id: Some(message_id),
            subject: Some(in_list(&draft.subject)),
            header_from: Some(in_list(&match own_name {
                Some(name) => format!("{name} <{from}>"),
                None => from.to_string(),
            })),
            authenticity: Authenticity::Local,
            expanded: None,
            filtered: Vec::new(),
            automatic: None,
            tls_optional: false,
            verdict: None,
        };
        // Before the letter: it is never there and not found.
        let noted = self.note_sender(&name.account, &from).await;
        noted.map_err(full)?;
        spool.accept(body, envelope).await.map_err(full_spool)?;
        self.0.pages.note(name, &draft.page);
        self.put_leaving(name, None).await?;
        Ok(self.forget_draft(name).await?)
    }

    async fn append_file(
        &self,
        body: &mut Body,
        (account, file): (&str, &File),
    ) -> Result<(), Unsent> {
        let (spool, account, id) = (self.0.world.spool.clone(), account.to_owned(), file.id);
        let content = blocking(move || spool.kept(&account, id)).await??;
        let content = content.ok_or(WebError::Internal)?;
        let mut offset = 0;
        loop {
            let source = std::sync::Arc::clone(&content);
            let piece = blocking(move || source.read_at(offset, PIECE)).await?;
            let piece = piece.map_err(|error| super::mailbox::failed(&error))?;
            if piece.is_empty() {
                return Ok(());
            }
            offset += piece.len() as u64;
            let lines = base64_lines(&piece);
            body.append(&lines).await.map_err(full_spool)?;
        }
    }

    /// RFC 5321 §3.7.2: a gateway says that the message came through it. Where the user sits is
    /// nobody's business.
    pub(super) fn received_line(&self, id: SpoolId) -> String {
        format!(
            "Received: by {} (Tideover webmail) with HTTP id {id};\r\n\t{}\r\n",
            self.0.options.hostname,
            self.0.world.clock.now().to_rfc5322()
        )
    }

    /// May this user send to so many more? The log tells what he has sent, so a restart forgets
    /// nothing.
    pub(super) async fn check_allowance(
        &self,
        account: &str,
        addresses: &[Mailbox],
        recipients: usize,
    ) -> Result<(), Unsent> {
        let writing = &self.0.options.writing;
        let (most, most_recipients) = (writing.messages_per_hour, writing.recipients_per_hour);
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let leaving = self.all_leaving(Some(account)).await?;
        let spool = self.0.world.spool.clone();
        let since = SpoolId::first_at(self.0.world.clock.now().before(WINDOW));
        let (addresses, account) = (addresses.to_vec(), account.to_owned());
        let noted = account.clone();
        let sent = blocking(move || {
            let whose = (&*account, &*addresses);
            let senders = senders(&spool, &account, &addresses)?;
            let counted = senders
                .iter()
                .map(|sender| sent_since(&spool, (sender, whose), since));
            counted.sum::<Result<Count, SpoolError>>()
        });
        let Count(messages, all) = sent.await??;
        let outgoing: usize = leaving.iter().map(|(_, one)| one.recipients).sum();
        let (messages, all) = (messages + leaving.len(), all + outgoing);
        let with_it = (number(messages + 1), number(all + recipients));
        if with_it.0 <= most && with_it.1 <= most_recipients {
            self.note_hour(&noted, with_it);
            Ok(())
        } else {
            self.note_hour(&noted, (number(messages), number(all)));
            Err(Unsent::Enough(most, most_recipients))
        }
    }
}

/// Messages and their recipients.
#[derive(Debug, Clone, Copy, Default)]
struct Count(usize, usize);

impl std::iter::Sum for Count {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        let add = |sum: Self, one: Self| Self(sum.0 + one.0, sum.1 + one.1);
        counts.fold(Self::default(), add)
    }
}

/// What this account, or a program from one of its addresses, has sent under a sender since then.
fn sent_since(
    spool: &Spool,
    (sender, (account, addresses)): (&str, (&str, &[Mailbox])),
    since: SpoolId,
) -> Result<Count, SpoolError> {
    let mut count = Count::default();
    let mut before = None;
    loop {
        let page = spool.sent(sender, before, CHUNK)?;
        for id in &page {
            if *id < since {
                return Ok(count);
            }
            let message = spool.message_if_whole(*id)?;
            if let Some(StoredMessage { envelope, .. }) = message
                && is_sent(&envelope, account, addresses)
            {
                count.0 += 1;
                count.1 += envelope.recipients.len();
            }
        }
        if page.len() < CHUNK {
            return Ok(count);
        }
        before = page.last().copied();
    }
}

fn letter_file(file: &File) -> LetterFile {
    LetterFile {
        name: file.name.clone(),
        content_type: file.content_type.clone(),
    }
}

/// A text as the lists keep it.
fn in_list(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(plain).take(200).collect()
}

fn full(error: WebError) -> Unsent {
    if error == WebError::Busy {
        Unsent::Full
    } else {
        Unsent::Web(error)
    }
}

fn full_spool(error: SpoolError) -> Unsent {
    if error.is_full() {
        Unsent::Full
    } else {
        Unsent::Web(error.into())
    }
}
