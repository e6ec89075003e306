//! The form of a letter, read as it comes in: fields in memory, files on their way into the spool.

use axum::extract::Multipart;
use axum::extract::multipart::{Field, MultipartError};

use crate::base::Timestamp;
use crate::credential::is_token;
use crate::limits;
use crate::mail::SpoolId;
use crate::webmail::Webmail;
use crate::webmail::accounts::blocking;
use crate::webmail::drafts::{Draft, File, Name};
use crate::webmail::error::WebError;
use crate::webmail::guard::User;
use crate::webmail::rich;
use crate::webmail::uploads::Taken;

/// What a form asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Action {
    /// Keep it for later.
    #[default]
    Save,
    /// Keep it while the user goes on writing.
    Autosave,
    /// Keep it with the files that were chosen.
    Attach,
    /// Look people up.
    Find,
    Send,
}

/// A form, read and checked to come from one of the user's own pages.
#[derive(Debug)]
pub(super) struct Form {
    pub name: Name,
    pub action: Action,
    pub draft: Draft,
    /// Who is looked for.
    pub find: String,
    /// Files that were not taken, and why.
    pub troubles: Vec<Trouble>,
    /// Nothing is stored for this letter, and why.
    storeless: Option<Trouble>,
}

/// Why a file was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    TooLarge(String),
    TooMany,
    Full,
    /// There are too many letters that are not sent.
    Drafts,
    /// Enough was stored within this hour.
    Enough,
    /// The text is longer than what can be sent; its bytes.
    TooLong(usize),
    /// The text is longer than what is read.
    Cut,
    /// The form is of an earlier session of the user's, or of nobody's.
    Stale,
    /// Another page of the same letter was kept since this one was shown.
    Elsewhere,
    /// The letter was sent from another page of it.
    Sent,
}

/// The fields of a form that are no files.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub csrf: String,
    pub token: String,
    pub action: String,
    pub answers: String,
    find: String,
    /// Which page this is, and the state of the letter that it shows.
    pub page: String,
    pub known: String,
    /// Files that stay: the id of one, or `ID.NUMBER` of a part of a message.
    keep: Vec<String>,
    /// People who were ticked in the list of those found.
    add: Vec<String>,
    pub draft: Draft,
    /// Bytes of all of them.
    pub bytes: usize,
}

impl Action {
    fn of(name: &str) -> Self {
        match name {
            "send" => Self::Send,
            "attach" => Self::Attach,
            "autosave" => Self::Autosave,
            "find" => Self::Find,
            _ => Self::Save,
        }
    }
}

impl Form {
    /// Reads a form. What its files belong to comes before them; which button was pressed comes
    /// behind, because a browser sends fields in the order of the page (HTML, "constructing the
    /// entry list").
    pub(super) async fn read(
        webmail: &Webmail,
        user: &User,
        mut multipart: Multipart,
    ) -> Result<Self, WebError> {
        let mut fields = Fields::default();
        let mut begun: Option<Self> = None;
        loop {
            let mut field = match multipart.next_field().await {
                Ok(Some(field)) => field,
                Ok(None) => break,
                Err(error) => {
                    over(&failed(&error), begun.as_mut(), String::new())?;
                    break;
                }
            };
            if field.name() != Some("file") {
                match &mut begun {
                    None => fields.take(&mut field).await?,
                    Some(form) if field.name() == Some("action") => {
                        fields.take(&mut field).await?;
                        form.action = Action::of(&fields.action);
                    }
                    Some(_) => return Err(WebError::BadRequest),
                }
                continue;
            }
            let mut form = match begun.take() {
                Some(form) => form,
                None => Self::begin(webmail, user, std::mem::take(&mut fields)).await?,
            };
            let name = field.file_name().unwrap_or_default().to_owned();
            let taken = form.take(webmail, &mut field).await;
            drop(field);
            begun = Some(form);
            if let Err(error) = taken {
                over(&error, begun.as_mut(), name)?;
                break;
            }
        }
        match begun {
            Some(form) => Ok(form),
            None => Self::begin(webmail, user, fields).await,
        }
    }

    async fn begin(webmail: &Webmail, user: &User, fields: Fields) -> Result<Self, WebError> {
        let troubles = fields.troubles();
        let is_stale = user.check(&fields.csrf).is_err();
        let fields = fields.with_text().await?;
        if !is_token(&fields.token) {
            return Err(WebError::BadRequest);
        }
        let name = Name::new(user.account(), &fields.token);
        let now = webmail.0.world.clock.now();
        if is_stale {
            return Ok(Self::put_back(Trouble::Stale, name, (fields, now)));
        }
        if webmail.left_elsewhere(&name, &fields.page).await? {
            let name = webmail.new_letter(user);
            return Ok(Self::put_back(Trouble::Sent, name, (fields, now)));
        }
        // It is in no field of the form.
        let stored = webmail.draft(&name).await?;
        if let Some(stored) = stored.as_ref().filter(|stored| fields.is_behind(stored)) {
            let files = kept(&stored.files, &fields.keep);
            let mut form = Self::put_back(Trouble::Elsewhere, name, (fields, now));
            form.draft.files = files;
            return Ok(form);
        }
        let mut form = Self {
            action: Action::of(&fields.action),
            draft: Draft {
                answers: fields.answers.parse().ok(),
                calendar: stored.and_then(|stored| stored.calendar),
                page: fields.page,
                changed: now,
                ..fields.draft
            },
            find: fields.find,
            troubles,
            storeless: webmail
                .is_one_too_many(&name)
                .await?
                .then_some(Trouble::Drafts),
            name,
        };
        for person in fields.add {
            let to = form.draft.to.trim_end().trim_end_matches(',').to_owned();
            let mark = if to.is_empty() { "" } else { ", " };
            form.draft.to = format!("{to}{mark}{person}");
        }
        form.keep(webmail, user, &fields.keep).await?;
        Ok(form)
    }

    /// Of a form whose session is over, or behind another page, only the words are taken, to be
    /// shown again: who wrote them loses nothing, and who forged them has done nothing.
    fn put_back(why: Trouble, name: Name, (fields, now): (Fields, Timestamp)) -> Self {
        Self {
            action: Action::of(&fields.action),
            draft: Draft {
                answers: fields.answers.parse().ok(),
                changed: now,
                ..fields.draft
            },
            find: String::new(),
            troubles: vec![why.clone()],
            storeless: Some(why),
            name,
        }
    }

    /// It is another letter now.
    pub(super) fn is_sent_elsewhere(&mut self, name: Name) {
        self.name = name;
        self.storeless = Some(Trouble::Sent);
    }

    /// Why it does nothing: it is of no session that there is, or behind another page.
    pub(super) fn is_put_back(&self) -> Option<&Trouble> {
        let why = self.storeless.as_ref();
        why.filter(|why| matches!(why, Trouble::Stale | Trouble::Elsewhere | Trouble::Sent))
    }

    /// Takes a file, if the letter may have one more: else nothing of it is stored.
    async fn take(&mut self, webmail: &Webmail, field: &mut Field<'_>) -> Result<(), WebError> {
        let is_full = self.draft.files.len() >= limits::WEB_FILES;
        let refused = self.storeless.clone();
        let refused = refused.or_else(|| is_full.then_some(Trouble::TooMany));
        if let Some(refused) = refused {
            if webmail.pass_over(field).await? {
                self.trouble(refused);
            }
            return Ok(());
        }
        let room = self.room(webmail);
        let account = &self.name.account;
        let taken = webmail.take_file(account, field, room).await?;
        self.add(taken);
        Ok(())
    }

    /// Files that were there before, and parts of a message that is forwarded.
    async fn keep(
        &mut self,
        webmail: &Webmail,
        user: &User,
        keep: &[String],
    ) -> Result<(), WebError> {
        let stored = webmail.draft(&self.name).await?.unwrap_or_default();
        self.draft.files = kept(&stored.files, keep);
        for part in keep.iter().filter_map(|text| part_of(text)) {
            if let Some(trouble) = self.storeless.clone() {
                self.trouble(trouble);
                break;
            }
            let room = self.room(webmail);
            let taken = webmail.take_part(user, part, room).await?;
            self.add(taken);
        }
        Ok(())
    }

    fn add(&mut self, taken: Taken) {
        match taken {
            Taken::File(_) if self.draft.files.len() >= limits::WEB_FILES => {
                self.trouble(Trouble::TooMany);
            }
            Taken::File(file) => self.draft.files.push(file),
            Taken::Nothing => {}
            Taken::TooLarge(name) => self.trouble(Trouble::TooLarge(name)),
            Taken::Full => self.trouble(Trouble::Full),
            Taken::Enough => self.trouble(Trouble::Enough),
        }
    }

    fn trouble(&mut self, trouble: Trouble) {
        if !self.troubles.contains(&trouble) {
            self.troubles.push(trouble);
        }
    }

    /// Bytes that the letter's files may still have.
    fn room(&self, webmail: &Webmail) -> u64 {
        let taken: u64 = self.draft.files.iter().map(|file| file.size).sum();
        webmail
            .0
            .options
            .writing
            .max_attachments
            .saturating_sub(taken)
    }
}

impl Fields {
    /// What the editor made counts, where there is something: the plain text is made of it. An
    /// HTML parser can take its time.
    async fn with_text(mut self) -> Result<Self, WebError> {
        let html = std::mem::take(&mut self.draft.html);
        if html.is_empty() {
            return Ok(self);
        }
        let read = blocking(move || rich::narrow(&html).map(|html| (rich::to_text(&html), html)));
        if let Some((text, html)) = read.await? {
            (self.draft.text, self.draft.html) = (text, html);
        }
        Ok(self)
    }

    /// Was the letter kept from another page since this one was shown? What that one wrote is not
    /// written over without a word.
    fn is_behind(&self, stored: &Draft) -> bool {
        let known = self.known.parse().unwrap_or_default();
        !self.page.is_empty()
            && stored.page != self.page
            && stored.changed > Timestamp::from_millis(known)
    }

    /// What is wrong with what was written.
    fn troubles(&self) -> Vec<Trouble> {
        if self.bytes > limits::WEB_TYPED {
            vec![Trouble::Cut]
        } else if self.bytes > limits::FORM {
            vec![Trouble::TooLong(self.bytes)]
        } else {
            Vec::new()
        }
    }

    /// Reads a field to its end, and keeps what there is room for.
    async fn take(&mut self, field: &mut Field<'_>) -> Result<(), WebError> {
        self.take_within(limits::WEB_TYPED, field).await
    }

    /// The same, with room for so many bytes in all fields together.
    pub(super) async fn take_within(
        &mut self,
        most: usize,
        field: &mut Field<'_>,
    ) -> Result<(), WebError> {
        let name = field.name().unwrap_or_default().to_owned();
        let mut bytes = Vec::new();
        while let Some(piece) = field.chunk().await.map_err(|error| failed(&error))? {
            let room = most.saturating_sub(self.bytes);
            self.bytes = self.bytes.saturating_add(piece.len());
            bytes.extend_from_slice(piece.get(..room.min(piece.len())).unwrap_or_default());
        }
        if self.bytes > most {
            let whole = bytes
                .utf8_chunks()
                .next()
                .map_or(0, |chunk| chunk.valid().len());
            bytes.truncate(whole);
        }
        let value = String::from_utf8(bytes).map_err(|_| WebError::BadRequest)?;
        let place = match name.as_str() {
            "csrf" => &mut self.csrf,
            "token" => &mut self.token,
            "action" => &mut self.action,
            "answers" => &mut self.answers,
            "find" => &mut self.find,
            "page" => &mut self.page,
            "known" => &mut self.known,
            "from" => &mut self.draft.from,
            "to" => &mut self.draft.to,
            "cc" => &mut self.draft.cc,
            "bcc" => &mut self.draft.bcc,
            "subject" => &mut self.draft.subject,
            "text" => &mut self.draft.text,
            "html" => &mut self.draft.html,
            "keep" | "add" => {
                let list = if name == "keep" {
                    &mut self.keep
                } else {
                    &mut self.add
                };
                if list.len() < limits::WEB_FILES {
                    list.push(value);
                }
                return Ok(());
            }
            _ => return Ok(()),
        };
        *place = value;
        Ok(())
    }
}

/// The files of a letter that stay.
fn kept(files: &[File], keep: &[String]) -> Vec<File> {
    let is_kept = |file: &&File| keep.contains(&file.id.to_string());
    files.iter().filter(is_kept).cloned().collect()
}

/// `ID.NUMBER`.
fn part_of(text: &str) -> Option<(SpoolId, usize)> {
    let (id, number) = text.split_once('.')?;
    Some((id.parse().ok()?, number.parse().ok()?))
}

/// A form that is too large, behind what was written: that is kept, but not all of its files.
fn over(error: &WebError, begun: Option<&mut Form>, file: String) -> Result<(), WebError> {
    match begun {
        Some(form) if *error == WebError::TooLarge => {
            form.action = Action::Save;
            form.trouble(Trouble::TooLarge(file));
            Ok(())
        }
        _ => Err(error.clone()),
    }
}

fn failed(error: &MultipartError) -> WebError {
    WebError::of_status(error.status())
}
