//! What waits until the index knows the whole log, and how far that is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;

use super::StartError;
use super::assemble::Base;
use super::reload::Movers;
use crate::backend::{keep_history, restore_history, restore_overrides};
use crate::base::{Boxed, Shutdown};
use crate::config::Config;
use crate::directory::{Directory, DirectoryError, DirectoryHandle, Generations};
use crate::outbound::Outbound;
use crate::spool::{Committed, Opened, Rebuild, SpoolError};
use crate::terminal::Bar;
use crate::webmail::Accounts;

/// From one look at the progress to the next.
const LOOK: Duration = Duration::from_millis(500);
/// From one try to start the delivery to the next.
const AGAIN: Duration = Duration::from_secs(5);
/// Looks from one line in the log to the next.
const LOOKS_PER_LINE: u32 = 20;
/// From one look for those whose time of grace is over to the next.
const FORGET: Duration = Duration::from_secs(3600);
const MIB: u64 = 1024 * 1024;

/// What waits.
pub(super) struct Rest {
    movers: Movers,
    committed: mpsc::Receiver<Committed>,
    /// `directory.file`.
    file: Option<PathBuf>,
    accounts: Accounts,
}

impl Rest {
    pub(super) fn new(
        (movers, accounts): (&Movers, &Accounts),
        config: &Config,
        committed: mpsc::Receiver<Committed>,
    ) -> Self {
        Self {
            movers: movers.clone(),
            committed,
            file: config.directory.file.clone(),
            accounts: accounts.clone(),
        }
    }
}

/// Lets the routes of those end whose time of grace is over.
async fn upkeep(generations: Generations, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(FORGET) => {}
            () = shutdown.stopping() => return,
        }
        if let Err(error) = generations.forget_departed().await {
            tracing::error!(%error, "those who departed stay for another while");
        }
    }
}

impl Base {
    /// Starts all that asks the index: at once, or when it knows the whole log. Mail is taken
    /// meanwhile, because that asks the directory only.
    pub(super) async fn start_when_complete(
        &self,
        rest: Rest,
        rebuild: Option<Rebuild>,
    ) -> Result<(), StartError> {
        let Some(rebuild) = rebuild else {
            self.restore(&rest.movers.outbound)?;
            self.write_what_was_heard().await;
            self.restore_directory(rest.file.as_deref())
                .await
                .map_err(StartError::other("the directory"))?;
            self.judge_accounts(&rest.accounts).await;
            self.start_all(rest);
            return Ok(());
        };
        tracing::warn!(
            "the index is made from the log: mail is taken, delivery and the webmail wait for it"
        );
        let base = self.clone();
        self.shutdown.spawn("index", async move {
            let found = tokio::select! {
                found = rebuild.run(base.shutdown.clone()) => found,
                () = base.tell_progress() => return,
            };
            // It only fails when the program stops.
            if found.is_err() {
                return;
            }
            while let Err(error) = base.restore(&rest.movers.outbound) {
                tracing::error!(%error, "delivery does not start yet; it is tried again");
                tokio::select! {
                    () = tokio::time::sleep(AGAIN) => {}
                    () = base.shutdown.stopping() => return,
                }
            }
            base.write_what_was_heard().await;
            let restored = base.restore_directory(rest.file.as_deref());
            if let Err(error) = restored.await {
                tracing::error!(%error, "the directory stays as the file has it");
            }
            base.judge_accounts(&rest.accounts).await;
            base.start_all(rest);
        });
        Ok(())
    }

    /// The directory as the log has it, and then what the file says that was not read yet.
    async fn restore_directory(&self, file: Option<&Path>) -> Result<(), DirectoryError> {
        match self.generations.restore().await {
            Err(DirectoryError::Damaged(what)) => return self.begin_directory(file, &what).await,
            other => other?,
        }
        let Some(file) = file else { return Ok(()) };
        match self.generations.read_file(file).await {
            Ok(_) => Ok(()),
            Err(DirectoryError::TooMany(why)) => {
                // Who is known stays known: mail goes on, and somebody has to look.
                tracing::error!(file = %file.display(), %why, "the directory stays as it was; \
                    `tideover directory import` reads the file with --yes");
                Ok(())
            }
            Err(other) => Err(other),
        }
    }

    /// Mail goes on without the directory of the log: by the file, if there is one.
    async fn begin_directory(&self, file: Option<&Path>, what: &str) -> Result<(), DirectoryError> {
        tracing::error!(what, "the directory in the log cannot be read");
        let begun = match file {
            Some(file) => self.generations.begin_with(file).await,
            None => Ok(false),
        };
        match begun {
            Ok(true) => tracing::warn!(
                "the directory begins anew with directory.file, which alone had made it"
            ),
            other => {
                let why = other
                    .err()
                    .map(|error| error.to_string())
                    .unwrap_or_default();
                tracing::error!(
                    why,
                    "only directory.file says who exists, all others get 451: \
                    `tideover directory import FILE --yes` with a file that names everybody \
                    begins a new directory"
                );
            }
        }
        Ok(())
    }

    /// What operators said before, and what strangers asked for.
    fn restore(&self, outbound: &Outbound) -> Result<(), SpoolError> {
        outbound.remember(&self.spool)?;
        if let Some(verifier) = self.router.verifier() {
            verifier.verified.restore(&self.spool)?;
        }
        let uses = self.router.x500_uses();
        uses.restore(&self.spool, self.clock.now())?;
        restore_overrides(&self.spool, &self.board)?;
        restore_history(&self.spool, &self.board)?;
        self.devices.restore()?;
        self.router.holds().restore(&self.spool)
    }

    /// What homes said while the index was made.
    async fn write_what_was_heard(&self) {
        let Some(verifier) = self.router.verifier() else {
            return;
        };
        if let Err(error) = verifier.verified.write_what_was_heard().await {
            tracing::error!(%error, "some are verified until the next start only");
        }
    }

    /// The directory may have changed while nobody looked. What is not known yet lets nobody in.
    async fn judge_accounts(&self, accounts: &Accounts) {
        if let Err(error) = accounts.judge(self.directory.current()).await {
            tracing::error!(%error, "it is not known yet whose all accounts are");
        }
    }

    fn start_all(&self, rest: Rest) {
        let follow = rest
            .accounts
            .follow(self.directory.clone(), self.shutdown.clone());
        self.shutdown.spawn("accounts", follow);
        super::tls_reports::start(self, rest.movers.outbound.clone());
        let policies = rest.movers.outbound;
        self.shutdown.spawn("old policies", async move {
            policies.forget_what_is_over().await;
        });
        rest.movers.landings.start();
        let writebacks = rest.movers.writebacks;
        self.shutdown.spawn("write-backs", async move {
            if let Err(error) = writebacks.start_open().await {
                tracing::error!(%error, "a write-back does not go on; `tideover writeback status`");
            }
        });
        let replays = rest.movers.replays;
        let queue = replays.queue().clone();
        queue.start(rest.committed);
        let holder = queue.clone();
        let hold = move || -> Boxed<'static, ()> {
            let queue = holder.clone();
            Box::pin(async move { queue.hold_found().await })
        };
        let scrub = self.spool.clone().scrub_and(self.shutdown.clone(), hold);
        self.shutdown.spawn("scrub", scrub);
        self.shutdown.spawn("replays", async move {
            if let Err(error) = replays.start_open().await {
                tracing::error!(%error, "replays do not go on; `tideover replay status`");
            }
        });
        let upkeep = upkeep(self.generations.clone(), self.shutdown.clone());
        self.shutdown.spawn("directory", upkeep);
        let syncing = self.syncer.clone();
        let syncing = syncing.keep(self.shutdown.clone(), move || queue.look_anew());
        self.shutdown.spawn("directory sync", syncing);
        let uses = self.router.x500_uses().clone();
        let uses = uses.keep(self.spool.clone(), self.shutdown.clone());
        self.shutdown.spawn("x500", uses);
        let devices = self.devices.clone();
        let devices = devices.keep_usage(self.shutdown.clone());
        self.shutdown.spawn("devices", devices);
        let (spool, board) = (self.spool.clone(), self.board.clone());
        let history = keep_history(spool, board, self.shutdown.clone());
        self.shutdown.spawn("history", history);
        let retention = self.spool.clone().retention_task(self.shutdown.clone());
        self.shutdown.spawn("retention", retention);
        let chain = self.spool.clone().chain_task(self.shutdown.clone());
        self.shutdown.spawn("chain", chain);
        let balance = self.spool.clone().balance_task(self.shutdown.clone());
        self.shutdown.spawn("balance", balance);
    }

    /// A bar on a terminal, and a line in the log now and then; without an end.
    async fn tell_progress(&self) {
        let mut bar = Bar::new("MiB of the log");
        let mut looks = 0_u32;
        loop {
            tokio::time::sleep(LOOK).await;
            let Some(progress) = self.spool.rebuilding() else {
                bar.end();
                continue;
            };
            bar.show(progress.read / MIB, Some(progress.total / MIB));
            looks = looks.wrapping_add(1);
            if looks.is_multiple_of(LOOKS_PER_LINE) {
                tracing::info!(%progress, "the index is made from the log");
            }
        }
    }
}

/// While the index is made, only the file says who exists; the log may know more.
pub(super) fn known_people(directory: Directory, opened: &Opened) -> DirectoryHandle {
    DirectoryHandle::new(if opened.rebuild.is_some() {
        directory.provisional()
    } else {
        directory
    })
}
