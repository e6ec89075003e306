//! Carries the work of one user into his mailbox. Before anything is put there it is looked for:
//! whatever a crash has cut off is not done twice.

use futures_util::future::try_join_all;

use super::Parts;
use super::decide::{Step, Verdict, about_mark, about_sent, folder_of};
use super::people::Person;
use super::record::{Carried, Run, UserResult, Written, put_result, put_written};
use super::work::{MarkTask, SentTask, Work, name_of_mark, name_of_sent};
use crate::base::Shutdown;
use crate::imap::{Filed, ImapError, Item, OpenMailbox, Sought, Spot};
use crate::mail::{BackendId, FolderKind, Mark, MarkPlace};
use crate::spool::SpoolError;
use crate::telemetry::names;

/// Records that are made durable together.
const TOGETHER: usize = 128;

/// Why the work on a user ended before its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error(transparent)]
    Imap(#[from] ImapError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("it was stopped")]
    Stopped,
    #[error("the mailbox is elsewhere now")]
    Moved,
}

/// What a run did for a user, written down while it goes on: a crash forgets none of it.
pub(super) struct SoFar<'a> {
    pub(super) run: &'a Run,
    /// Done before this try.
    pub(super) before: Carried,
    /// Done in this try, when it was written down last.
    pub(super) kept: u64,
}

/// What works on one user.
pub(super) struct Carrier<'a> {
    pub(super) parts: &'a Parts,
    pub(super) person: &'a Person,
    pub(super) backend: &'a BackendId,
    pub(super) stop: &'a Shutdown,
    pub(super) so_far: SoFar<'a>,
    pub(super) result: &'a mut UserResult,
}

impl Carrier<'_> {
    /// Carries all of it, as far as the platform takes it.
    pub(super) async fn carry(
        &mut self,
        mailbox: &mut dyn OpenMailbox,
        work: Work,
    ) -> Result<(), Broken> {
        let sought = self.sought(&work);
        let mut places = mailbox.locate(&sought).await?.into_iter();
        let mut next = || places.next().unwrap_or_default();
        for task in work.sent {
            let spots = next();
            self.go_on()?;
            self.carry_sent(mailbox, (&task, &spots)).await?;
            self.keep().await?;
        }
        let marks = work.marks.into_iter().map(|task| (task, next()));
        self.carry_marks(mailbox, marks.collect()).await?;
        for task in work.drafts {
            let names = self.names_of(&task);
            let [now, before] = names.map(|names| {
                let spots = names.iter().flat_map(|_| next());
                spots.collect::<Vec<Spot>>()
            });
            self.go_on()?;
            self.carry_draft(mailbox, (&task, [&now, &before])).await?;
            self.keep().await?;
        }
        Ok(())
    }

    async fn carry_marks(
        &mut self,
        mailbox: &mut dyn OpenMailbox,
        marks: Vec<(MarkTask, Vec<Spot>)>,
    ) -> Result<(), Broken> {
        let mut done = Vec::new();
        let mut ended = Ok(());
        for (task, spots) in marks {
            let carried = match self.go_on() {
                Ok(()) => self.carry_mark(mailbox, (&task, &spots)).await,
                Err(broken) => Err(broken),
            };
            match carried {
                Ok(true) => done.push((name_of_mark(task.id), self.written(&task.mark))),
                Ok(false) => {}
                Err(broken) => {
                    ended = Err(broken);
                    break;
                }
            }
            if done.len() >= TOGETHER {
                self.note(std::mem::take(&mut done)).await?;
                self.keep().await?;
            }
        }
        // What was done is noted, however it ended.
        self.note(done).await?;
        self.keep().await?;
        ended
    }

    /// Writes down what was done so far, if that is more than before.
    async fn keep(&mut self) -> Result<(), Broken> {
        if self.result.carried.done() == self.so_far.kept {
            return Ok(());
        }
        self.so_far.kept = self.result.carried.done();
        let mut carried = self.so_far.before;
        carried.add(&self.result.carried.only_done());
        let partial = UserResult {
            mailbox: self.person.mailbox.clone(),
            backend: Some(self.backend.clone()),
            carried,
            partial: true,
            ..UserResult::default()
        };
        Ok(put_result(&self.parts.spool, self.so_far.run, &partial).await?)
    }

    /// Nothing goes where his mailbox was when the run began, and is no more.
    fn go_on(&self) -> Result<(), Broken> {
        if self.stop.is_stopping() {
            return Err(Broken::Stopped);
        }
        if self.person.home_now(&self.parts.router) != self.person.home {
            return Err(Broken::Moved);
        }
        Ok(())
    }

    /// Before each change: platforms slow down who writes too fast. He may move meanwhile.
    pub(super) async fn pace(&self, mailbox: &mut dyn OpenMailbox) -> Result<(), Broken> {
        while let Some(wait) = mailbox.change() {
            tokio::select! {
                biased;
                () = self.stop.stopping() => return Err(Broken::Stopped),
                () = tokio::time::sleep(wait) => self.go_on()?,
            }
        }
        Ok(())
    }

    /// In the order in which it is asked for again.
    fn sought(&self, work: &Work) -> Vec<Sought> {
        let sent = work.sent.iter().map(|task| Sought {
            id: Some(task.id),
            message_id: task.message_id.clone(),
        });
        let marks = work.marks.iter().map(|task| Sought {
            id: Some(task.id),
            message_id: task.message_id.clone(),
        });
        let drafts = work.drafts.iter().flat_map(|task| {
            let names = self.names_of(task).into_iter().flatten();
            names.map(|name| Sought {
                id: None,
                message_id: Some(name),
            })
        });
        sent.chain(marks).chain(drafts).collect()
    }

    async fn carry_sent(
        &mut self,
        mailbox: &mut dyn OpenMailbox,
        (task, spots): (&SentTask, &[Spot]),
    ) -> Result<(), Broken> {
        let before = task.before.as_ref();
        let done = match about_sent(spots, (&task.mark, before)) {
            // He took it out there himself.
            Verdict::Absent if before.is_some() => true,
            Verdict::Absent => self.put_sent(mailbox, task).await?,
            Verdict::Do(steps) => {
                if steps.is_empty() {
                    self.result.carried.there += 1;
                }
                self.do_steps(mailbox, steps).await?
            }
        };
        if done {
            let written = self.written(&task.mark);
            self.note(vec![(name_of_sent(task.id), written)]).await?;
        }
        Ok(())
    }

    async fn put_sent(
        &mut self,
        mailbox: &mut dyn OpenMailbox,
        task: &SentTask,
    ) -> Result<bool, Broken> {
        let id = task.id;
        let body = match self.parts.spool.beside(move |spool| spool.body(id)).await {
            Ok(Some(body)) => body,
            // Retention was faster.
            Ok(None) => {
                self.result
                    .lose(format!("{id}: spool.retain is over, it is gone"));
                return Ok(true);
            }
            Err(error) => return self.damaged((&id.to_string(), error)),
        };
        // It is read through first: once APPEND has begun only a cut connection ends it.
        let damage = self.parts.spool.beside(move |spool| spool.damage(id));
        if let Some(damage) = damage.await? {
            return self.damaged((&id.to_string(), SpoolError::Damaged(damage)));
        }
        let kind = task.mark.place.map_or(FolderKind::Sent, folder_of);
        let flags = match task.mark.flagged {
            Some(_) => "\\Seen \\Flagged",
            None => "\\Seen",
        };
        let item = Item {
            flags,
            date: task.at,
            body: body.as_ref(),
        };
        self.pace(mailbox).await?;
        match mailbox.append(kind, item).await {
            Ok(_) => {
                self.result.carried.sent += 1;
                self.count("sent");
                Ok(true)
            }
            Err(ImapError::Refused { what, why }) => {
                self.result.refuse(format!("{id}: {what}: {why}"));
                Ok(false)
            }
            // Its bytes are damaged. The connection is cut in the middle of it.
            Err(error) => Err(error.into()),
        }
    }

    /// One damaged message stops no other.
    pub(super) fn damaged(&mut self, (what, error): (&str, SpoolError)) -> Result<bool, Broken> {
        if !error.is_damage() {
            return Err(error.into());
        }
        self.result.lose(format!("{what}: {error}"));
        Ok(false)
    }

    /// `true`: it is as it is to be.
    async fn carry_mark(
        &mut self,
        mailbox: &mut dyn OpenMailbox,
        (task, spots): (&MarkTask, &[Spot]),
    ) -> Result<bool, Broken> {
        let verdict = about_mark(spots, (&task.mark, task.before.as_ref()));
        let Verdict::Do(steps) = verdict else {
            self.result.carried.absent += 1;
            return Ok(false);
        };
        if steps.is_empty() {
            self.result.carried.there += 1;
        }
        self.do_steps(mailbox, steps).await
    }

    /// `true`: all of it was done.
    async fn do_steps(
        &mut self,
        mailbox: &mut dyn OpenMailbox,
        steps: Vec<Step>,
    ) -> Result<bool, Broken> {
        let mut all = true;
        for step in steps {
            self.pace(mailbox).await?;
            let done = match &step {
                Step::Flag(spot, add, remove) => mailbox.flag(spot, (*add, *remove)).await,
                Step::File(spot, kind) => mailbox.file(spot, *kind).await,
                Step::TakeOut(spot, kind) => mailbox.take_out(spot, *kind).await,
            };
            match done {
                Ok(Filed::Moved) => {
                    let kind = step.count(&mut self.result.carried);
                    self.count(kind);
                }
                Ok(Filed::Gone) => {
                    self.result.carried.absent += 1;
                    all = false;
                }
                Err(ImapError::Refused { what, why }) => {
                    self.result.refuse(format!("{what}: {why}"));
                    all = false;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(all)
    }

    /// A record of this state.
    pub(super) fn written(&self, mark: &Mark) -> Written {
        Written {
            backend: self.backend.clone(),
            at: self.parts.clock.now(),
            changed: mark.changed,
            seen: mark.read.is_some(),
            flagged: mark.flagged.is_some(),
            place: mark.place.map(|place| match place {
                MarkPlace::Archive => MarkPlace::Archive,
                MarkPlace::Deleted | MarkPlace::Gone => MarkPlace::Deleted,
            }),
            begun: Vec::new(),
            copy: None,
            accepted: false,
        }
    }

    pub(super) async fn note(&self, done: Vec<(String, Written)>) -> Result<(), Broken> {
        let mailbox = &self.person.mailbox;
        let notes = done
            .iter()
            .map(|(name, written)| put_written(&self.parts.spool, (mailbox, name), Some(written)));
        try_join_all(notes).await?;
        Ok(())
    }

    pub(super) fn count(&self, kind: &'static str) {
        let backend = self.backend.to_string();
        metrics::counter!(names::WRITTEN_BACK, "backend" => backend, "kind" => kind).increment(1);
    }
}
