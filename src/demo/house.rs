//! Tideover in the demo: a config and a directory in a folder of their own, started as `serve`
//! starts it.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::DemoError;
use super::people::{self, Addresses};
use crate::backend::BackendHealth;
use crate::base::Entropy;
use crate::config;
use crate::daemon::{self, Running};
use crate::mail::BackendId;
use crate::net::{Listen as _, TcpListen};
use crate::smtp::Mailbox;
use crate::webmail::OldPasskeys;

/// The house of the demo.
#[derive(Debug)]
pub(super) struct House {
    folder: Folder,
    running: Option<Running>,
}

impl House {
    /// Writes the files and starts.
    pub(super) async fn open(addresses: Addresses, entropy: &Entropy) -> Result<Self, DemoError> {
        let name = format!("tideover-demo-{:08x}", entropy.u64() >> 32);
        let folder = Folder(std::env::temp_dir().join(name));
        // The mail in it is nobody else's business.
        fs::DirBuilder::new().mode(0o700).create(&folder.0)?;
        fs::write(folder.config(), people::config(addresses, free_port()?))?;
        fs::write(folder.0.join("directory.csv"), people::directory())?;
        let config = config::load(&folder.config()).map_err(daemon::StartError::from)?;
        let running = Box::pin(daemon::start(config)).await?;
        Ok(Self {
            folder,
            running: Some(running),
        })
    }

    /// The front door.
    pub(super) fn mx(&self) -> Option<SocketAddr> {
        self.running.as_ref()?.listeners.first().copied()
    }

    /// The webmail.
    pub(super) fn web(&self) -> Option<SocketAddr> {
        self.running.as_ref()?.web
    }

    /// How a platform is, as Tideover sees it.
    pub(super) fn health(&self, backend: &BackendId) -> Option<BackendHealth> {
        self.running.as_ref()?.router.board().health(backend)
    }

    /// Makes an account as a user does: with an invitation, and a password of their own.
    pub(super) async fn enrol(&self, address: &str, password: &str) -> Result<(), DemoError> {
        let account = |why: String| DemoError::Account(why);
        let address: Mailbox = address
            .parse()
            .map_err(|error| account(format!("{error}")))?;
        if let Some(running) = &self.running {
            let accounts = &running.accounts;
            let token = accounts.invite(&address).await;
            let token = token.map_err(|error| account(error.to_string()))?;
            accounts
                .set_password(&token, (password.to_owned(), OldPasskeys::Stay))
                .await
                .map_err(|error| account(error.to_string()))?;
        }
        Ok(())
    }

    /// How to ask this Tideover from another terminal, one command a line.
    pub(super) fn commands(&self, verbs: &[&str]) -> Vec<String> {
        let program = std::env::args().next();
        let program = program.unwrap_or_else(|| "tideover".to_owned());
        let config = self.folder.config();
        let export = format!("export TIDEOVER_CONFIG={}", config.display());
        let verbs = verbs.iter().map(|verb| format!("{program} {verb}"));
        std::iter::once(export).chain(verbs).collect()
    }

    /// Stops it; the folder goes with it.
    pub(super) async fn close(&mut self) -> Result<(), DemoError> {
        match self.running.take() {
            Some(running) => Ok(running.stop().await.map_err(daemon::StartError::from)?),
            None => Ok(()),
        }
    }
}

/// The webmail's links carry its port, so it is chosen before the start.
fn free_port() -> Result<u16, DemoError> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    Ok(TcpListen::bind(any)?.local_address().port())
}

/// Removed with all that is in it when dropped.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn config(&self) -> PathBuf {
        self.0.join("tideover.toml")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let folder: &Path = &self.0;
        if let Err(error) = fs::remove_dir_all(folder) {
            tracing::warn!(folder = %folder.display(), %error, "could not be removed");
        }
    }
}
