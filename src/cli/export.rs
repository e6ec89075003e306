//! `queue export`: copies of waiting mail in a folder, with a manifest. An export that is refused
//! leaves nothing behind; one that breaks off says what it has left.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

use super::bulk::{Worker, many};
use super::client::ClientError;
use super::intent::Request;
use super::{Exit, Failure};
use crate::mail::SpoolId;
use crate::spool::{Exported, exported_name};
use crate::terminal::Bar;

/// The list of what is in the folder.
const MANIFEST: &str = "manifest.jsonl";

/// A line of `manifest.jsonl`.
#[derive(Debug, Serialize)]
struct ManifestLine {
    #[serde(flatten)]
    exported: Exported,
    /// The recipients that were selected, by their place in the envelope, from 0. The others of the
    /// message came along.
    selected: Vec<u16>,
}

impl Worker {
    pub(super) async fn export(&self, dir: &Path) -> Result<(), Failure> {
        expect_empty(dir)?;
        // Before anything is made: what is refused is refused here.
        let total = self.preview(0).await?.messages;
        let count = if total == 0 {
            0
        } else {
            self.export_to(dir, total).await?
        };
        let told = serde_json::json!({ "messages": count, "dir": dir });
        let text = if count == 0 {
            "nobody that waits matches: nothing is written\n".to_owned()
        } else {
            format!(
                "{} written to {}, with {MANIFEST}, and still in the queue\n",
                many(count, "message"),
                dir.display()
            )
        };
        self.tell(&told, || text)
    }

    /// Writes them to a folder; how many there were.
    async fn export_to(&self, dir: &Path, total: u64) -> Result<u64, Failure> {
        let mut folder = Folder::make(dir).await?;
        let written = self.write_all(&mut folder, total).await;
        let kept = folder.end().await;
        match (written, kept) {
            (Ok(()), Ok(())) => Ok(folder.count),
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
                self.export_one(id, selected, folder).await?;
                // More may have come since they were counted.
                bar.show(folder.count, Some(total.max(folder.count)));
            }
            which.after = page.next;
            if which.after.is_none() {
                break;
            }
        }
        bar.end();
        Ok(())
    }

    /// Writes one message, unless it is gone meanwhile.
    async fn export_one(
        &self,
        id: SpoolId,
        selected: Vec<u16>,
        folder: &mut Folder,
    ) -> Result<(), Failure> {
        let request = Request::get(format!("/api/messages/{id}/export"));
        let exported: Exported = match self.client.ask(request).await {
            Ok(exported) => exported,
            Err(ClientError::Refused(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let path = folder
            .dir
            .join(exported_name(id, exported.damaged.as_deref()));
        if let Err(failure) = self.save(&exported, &path).await {
            // A part of a message must not look like one.
            tokio::fs::remove_file(&path).await.ok();
            return Err(failure);
        }
        folder.list(&ManifestLine { exported, selected }).await
    }

    /// Writes the bytes of a message to a file.
    async fn save(&self, exported: &Exported, path: &Path) -> Result<(), Failure> {
        let mut file = new_file(path).await.map_err(failed(path))?;
        let id = exported.id;
        let request = Request::get(format!("/api/messages/{id}/body"));
        let written = self.client.save(request, &mut file).await?;
        if written != exported.size {
            let what = format!("{id} has {} bytes, {written} came", exported.size);
            return Err(failed(path)(io::Error::other(what)));
        }
        file.sync_all().await.map_err(failed(path))
    }
}

/// Where copies go.
struct Folder {
    dir: PathBuf,
    /// We have made it.
    is_ours: bool,
    manifest: File,
    /// Messages that are whole there, and named in the manifest.
    count: u64,
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
            count: 0,
        })
    }

    /// Names a message that is there.
    async fn list(&mut self, line: &ManifestLine) -> Result<(), Failure> {
        let path = self.dir.join(MANIFEST);
        let mut line = serde_json::to_vec(line).map_err(|error| failed(&path)(error.into()))?;
        line.push(b'\n');
        let written = self.manifest.write_all(&line).await;
        written.map_err(failed(&path))?;
        self.count += 1;
        Ok(())
    }

    /// What it names is on the disk; one that is empty goes.
    async fn end(&mut self) -> Result<(), Failure> {
        let path = self.dir.join(MANIFEST);
        self.manifest.flush().await.map_err(failed(&path))?;
        self.manifest.sync_all().await.map_err(failed(&path))?;
        if self.count > 0 {
            return Ok(());
        }
        std::fs::remove_file(&path).map_err(failed(&path))?;
        if self.is_ours {
            std::fs::remove_dir(&self.dir).map_err(failed(&self.dir))?;
        }
        Ok(())
    }

    /// A failure, with what is there all the same.
    fn left_behind(&self, failure: Failure) -> Failure {
        if self.count == 0 {
            return failure;
        }
        let (messages, dir) = (many(self.count, "message"), self.dir.display());
        Failure {
            text: format!(
                "{}\n  {messages} of it in {dir}, whole and named in {MANIFEST}; the rest is not \
                 there: say it again with another folder",
                failure.text
            ),
            ..failure
        }
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
