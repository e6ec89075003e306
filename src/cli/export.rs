//! `queue export`: copies of waiting mail in a folder, with a manifest. An export that is refused
//! leaves nothing behind; one that breaks off says what it has left. What cannot be read does not
//! stop the rest of a rescue, and is named.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

use super::bulk::Worker;
use super::client::ClientError;
use super::intent::Request;
use super::{Exit, Failure};
use crate::mail::SpoolId;
use crate::spool::{Exported, exported_name};
use crate::terminal::{Bar, many};

/// The list of what is in the folder.
const MANIFEST: &str = "manifest.jsonl";

/// Messages that could not be read and are named; more are counted.
const NAMED: u64 = 20;

/// A line of `manifest.jsonl`.
#[derive(Debug, Serialize)]
struct ManifestLine {
    #[serde(flatten)]
    exported: Exported,
    /// The recipients that were selected, by their place in the envelope, from 0. The others of the
    /// message came along.
    selected: Vec<u16>,
}

/// Why a message is not in the folder.
#[derive(Debug)]
enum Missed {
    /// The spool had it no more when its turn came.
    Gone,
    /// It cannot be read; others may be.
    LeftOut(String),
    /// Nothing more can be written.
    End(Failure),
}

impl From<Failure> for Missed {
    fn from(failure: Failure) -> Self {
        Self::End(failure)
    }
}

impl From<ClientError> for Missed {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::NotFound(_) => Self::Gone,
            ClientError::Refused(refusal) => Self::LeftOut(refusal.error),
            error @ (ClientError::NotRunning { .. }
            | ClientError::Deaf { .. }
            | ClientError::NotYours { .. }
            | ClientError::TooLong { .. }
            | ClientError::Broken { .. }
            | ClientError::NotKept(_)
            | ClientError::BadConfig(_)) => Self::End(error.into()),
        }
    }
}

impl Worker {
    pub(super) async fn export(&self, dir: &Path) -> Result<(), Failure> {
        expect_empty(dir)?;
        // Before anything is made: what is refused is refused here.
        let total = self.preview(0).await?.messages;
        let written = if total == 0 {
            Written::default()
        } else {
            self.export_to(dir, total).await?
        };
        let Written { messages, gone } = written;
        let told = serde_json::json!({ "messages": messages, "gone": gone, "dir": dir });
        self.tell(&told, || written.told(dir))
    }

    /// Writes them to a folder; how many there were.
    async fn export_to(&self, dir: &Path, total: u64) -> Result<Written, Failure> {
        let mut folder = Folder::make(dir).await?;
        let written = self.write_all(&mut folder, total).await;
        let kept = folder.end().await;
        match (written, kept) {
            (Ok(()), Ok(())) if folder.left_out.count == 0 => Ok(folder.written),
            (Ok(()), Ok(())) => {
                let failure = Failure::new(Exit::Failed, "the export is not whole");
                Err(folder.left_behind(failure))
            }
            (Err(failure), _) | (Ok(()), Err(failure)) => Err(folder.left_behind(failure)),
        }
    }

    async fn write_all(&self, folder: &mut Folder, total: u64) -> Result<(), Failure> {
        let mut bar = Bar::new("messages written");
        let mut which = self.which.clone();
        loop {
            let page = self.select(&which).await?;
            for id in page.messages {
                let selected = page.selected.get(&id).cloned().unwrap_or_default();
                match self.export_one(id, selected, folder).await {
                    Ok(()) => {}
                    Err(Missed::Gone) => folder.written.gone += 1,
                    Err(Missed::LeftOut(why)) => folder.left_out.note(id, &why),
                    Err(Missed::End(failure)) => return Err(failure),
                }
                // More may have come since they were counted.
                let messages = folder.written.messages;
                bar.show(messages, Some(total.max(messages)));
            }
            which.after = page.next;
            if which.after.is_none() {
                break;
            }
        }
        bar.end();
        Ok(())
    }

    /// Writes one message.
    async fn export_one(
        &self,
        id: SpoolId,
        selected: Vec<u16>,
        folder: &mut Folder,
    ) -> Result<(), Missed> {
        let request = Request::get(format!("/api/messages/{id}/export"));
        let exported: Exported = self.client.ask(request).await?;
        let path = folder
            .dir
            .join(exported_name(id, exported.damaged.as_deref()));
        if let Err(missed) = self.save(&exported, &path).await {
            // A part of a message must not look like one.
            tokio::fs::remove_file(&path).await.ok();
            return Err(missed);
        }
        folder.list(&ManifestLine { exported, selected }).await?;
        Ok(())
    }

    /// Writes the bytes of a message to a file.
    async fn save(&self, exported: &Exported, path: &Path) -> Result<(), Missed> {
        let mut file = new_file(path).await.map_err(failed(path))?;
        let id = exported.id;
        let request = Request::get(format!("/api/messages/{id}/body"));
        let written = match self.client.save(request, &mut file).await {
            Ok(written) => written,
            // The server or its disk: the next message tells.
            Err(ClientError::Broken { what, .. }) => return Err(Missed::LeftOut(what)),
            Err(ClientError::NotKept(error)) => return Err(failed(path)(error).into()),
            Err(error) => return Err(error.into()),
        };
        if written != exported.size {
            let what = format!("it has {} bytes, {written} came", exported.size);
            return Err(Missed::LeftOut(what));
        }
        file.sync_all().await.map_err(failed(path))?;
        Ok(())
    }
}

/// What became of an export that was not refused.
#[derive(Debug, Clone, Copy, Default)]
struct Written {
    /// Messages that are whole in the folder, and named in the manifest.
    messages: u64,
    /// Messages that the spool had no more when their turn came.
    gone: u64,
}

impl Written {
    fn told(self, dir: &Path) -> String {
        let mut text = match (self.messages, self.gone) {
            (0, 0) => "nobody that waits matches: nothing is written\n".to_owned(),
            (0, _) => "nothing is written\n".to_owned(),
            (messages, _) => format!(
                "{} written to {}, with {MANIFEST}, and still in the queue\n",
                many(messages, "message"),
                dir.display()
            ),
        };
        if self.gone > 0 {
            let gone = many(self.gone, "message");
            // Writing to a String cannot fail.
            writeln!(text, "{gone} not written: gone from the spool meanwhile").ok();
        }
        text
    }
}

/// Messages that could not be read.
#[derive(Debug, Default)]
struct LeftOut {
    count: u64,
    /// A line for each of the first ones.
    named: String,
}

impl LeftOut {
    fn note(&mut self, id: SpoolId, why: &str) {
        self.count += 1;
        if self.count <= NAMED {
            // Writing to a String cannot fail.
            write!(self.named, "\n    {id}: {why}").ok();
        }
    }

    /// Which they are, below what else is to be said.
    fn lines(&self) -> String {
        if self.count == 0 {
            return String::new();
        }
        let messages = many(self.count, "message");
        let mut text = format!("\n  {messages} could not be read:{}", self.named);
        let more = self.count.saturating_sub(NAMED);
        if more > 0 {
            // Writing to a String cannot fail.
            write!(text, "\n    and {more} more").ok();
        }
        text
    }
}

/// Where copies go.
struct Folder {
    dir: PathBuf,
    /// We have made it.
    is_ours: bool,
    manifest: File,
    written: Written,
    left_out: LeftOut,
}

impl Folder {
    async fn make(dir: &Path) -> Result<Self, Failure> {
        let is_ours = !dir.exists();
        std::fs::create_dir_all(dir).map_err(failed(dir))?;
        let manifest = dir.join(MANIFEST);
        Ok(Self {
            dir: dir.to_owned(),
            is_ours,
            manifest: new_file(&manifest).await.map_err(failed(&manifest))?,
            written: Written::default(),
            left_out: LeftOut::default(),
        })
    }

    /// Names a message that is there.
    async fn list(&mut self, line: &ManifestLine) -> Result<(), Failure> {
        let path = self.dir.join(MANIFEST);
        let mut line = serde_json::to_vec(line).map_err(|error| failed(&path)(error.into()))?;
        line.push(b'\n');
        let written = self.manifest.write_all(&line).await;
        written.map_err(failed(&path))?;
        self.written.messages += 1;
        Ok(())
    }

    /// What it names is on the disk; one that is empty goes.
    async fn end(&mut self) -> Result<(), Failure> {
        let path = self.dir.join(MANIFEST);
        self.manifest.flush().await.map_err(failed(&path))?;
        self.manifest.sync_all().await.map_err(failed(&path))?;
        if self.written.messages > 0 {
            return Ok(());
        }
        std::fs::remove_file(&path).map_err(failed(&path))?;
        if self.is_ours {
            std::fs::remove_dir(&self.dir).map_err(failed(&self.dir))?;
        }
        Ok(())
    }

    /// A failure, with what could not be read, and what is there all the same.
    fn left_behind(&self, failure: Failure) -> Failure {
        let mut text = failure.text;
        text.push_str(&self.left_out.lines());
        if self.written.messages > 0 {
            let messages = many(self.written.messages, "message");
            // Writing to a String cannot fail.
            write!(
                text,
                "\n  {messages} of it in {}, whole and named in {MANIFEST}; the rest is not \
                 there: say it again with another folder",
                self.dir.display()
            )
            .ok();
        }
        Failure { text, ..failure }
    }
}

/// What is there is not mixed with what comes.
fn expect_empty(dir: &Path) -> Result<(), Failure> {
    match std::fs::read_dir(dir) {
        Ok(mut found) => match found.next() {
            Some(_) => Err(failed(dir)(io::Error::other("the folder is not empty"))),
            None => Ok(()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(dir)(error)),
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> Failure {
    let path = path.display().to_string();
    move |error| Failure::new(Exit::Failed, format!("{path}: {error}"))
}

async fn new_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    // Mail is for nobody else.
    let options = options.write(true).create_new(true).mode(0o600);
    options.open(path).await
}

#[cfg(test)]
#[path = "export_tests.rs"]
mod tests;
