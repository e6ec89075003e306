//! `serve`, and where the server of a config lives.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::client::{Client, Said};
use super::watch::Room;
use super::{Exit, Failure, actor};
use crate::config::{self, Places, Problems};
use crate::daemon::{self, StartError};
use crate::telemetry::log;

fn refused(problems: &Problems) -> Failure {
    let text = problems.to_string().replace('\n', "\n  ");
    Failure::new(Exit::Config, format!("the config is refused:\n  {text}"))
}

pub(super) fn find(argument: Option<&Path>) -> Result<PathBuf, Failure> {
    // Not by the arguments: they would say in each usage line that it is needed.
    let environment = std::env::var_os("TIDEOVER_CONFIG").filter(|file| !file.is_empty());
    let places = Places {
        argument: argument.map(Path::to_owned),
        environment: environment.map(PathBuf::from),
    };
    config::find(places).map_err(|problems| refused(&problems))
}

/// `data_dir` of the config, and the config's file. Whatever else is wrong in it: the server that
/// runs can still be asked while somebody edits the file, and says itself what it refuses.
pub(super) fn data_dir(argument: Option<&Path>) -> Result<(PathBuf, PathBuf), Failure> {
    let file = find(argument)?;
    let data_dir = config::data_dir(&file).map_err(|problems| {
        let failure = refused(&problems);
        let next = "a server that runs goes on with what it has read; to ask it, mend the file, or \
                    name a whole one with the same data_dir: -c FILE";
        Failure::new(Exit::Config, format!("{}\n  {next}", failure.text))
    })?;
    Ok((data_dir, file))
}

/// Which server is asked, and as whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'a> {
    /// Its config.
    pub(super) file: Option<&'a Path>,
    pub(super) said: &'a Said,
    /// Where the answer is shown.
    pub(super) room: &'a Room,
}

/// The server of a config.
pub(super) fn client(at: At<'_>) -> Result<Client, Failure> {
    let (data_dir, config) = data_dir(at.file)?;
    Ok(Client::new(&data_dir, &config).said(at.said.clone()))
}

/// The config, for a verb that changes nothing.
pub(super) fn config(argument: Option<&Path>) -> Result<config::Config, Failure> {
    let file = find(argument)?;
    config::read(&file).map_err(|problems| refused(&problems))
}

/// Where the spool of the config is, and how it is kept.
pub(super) fn spool_options(argument: Option<&Path>) -> Result<crate::spool::Options, Failure> {
    Ok(config(argument)?.spool_options())
}

/// Refuses root what writes to the spool of another user. The server, which runs as that user,
/// could not open the files of root that this leaves behind, and would not start any more.
pub(super) fn assert_owner(data_dir: &Path, verb: &str) -> Result<(), Failure> {
    let known = ["spool.json", "log"].map(|name| std::fs::metadata(data_dir.join(name)));
    // A spool that is not there yet belongs to nobody.
    let Some(owner) = known.into_iter().flatten().next().map(|file| file.uid()) else {
        return Ok(());
    };
    if !is_intruder(rustix::process::geteuid().as_raw(), owner) {
        return Ok(());
    }
    let user = actor::user_with(owner);
    let text = format!(
        "the spool in {} belongs to {user}, and would have files of root afterwards that {user} \
         cannot open; nothing was done\n  say it as its owner: runuser -u {user} -- tideover \
         {verb}",
        data_dir.display()
    );
    Err(Failure::new(Exit::Failed, text))
}

/// Others than root are stopped by the system.
const fn is_intruder(user: u32, owner: u32) -> bool {
    user == 0 && owner != 0
}

/// `serve`.
pub(super) async fn serve(argument: Option<&Path>) -> Result<(), Failure> {
    let file = find(argument)?;
    let config = config::load(&file).map_err(|problems| refused(&problems))?;
    assert_owner(&config.server.data_dir, "serve")?;
    log::install(&config.log).map_err(|error| Failure::new(Exit::Config, error))?;
    Box::pin(daemon::serve(config)).await.map_err(|error| {
        let exit = match &error {
            StartError::Config(_) => Exit::Config,
            StartError::Spool(_) | StartError::Bind(_) | StartError::Other { .. } => Exit::Failed,
        };
        Failure::new(exit, error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_leaves_nothing_in_the_spool_of_another() {
        assert!(is_intruder(0, 999));
        assert!(!is_intruder(0, 0));
        assert!(!is_intruder(999, 999));
        let folder = tempfile::tempdir().unwrap();
        assert!(assert_owner(folder.path(), "serve").is_ok());
        std::fs::write(folder.path().join("spool.json"), "").unwrap();
        assert!(assert_owner(folder.path(), "serve").is_ok());
        if rustix::process::geteuid().is_root() {
            let other = Some(8);
            std::os::unix::fs::chown(folder.path().join("spool.json"), other, None).unwrap();
            let failure = assert_owner(folder.path(), "spool rebuild").unwrap_err();
            assert!(failure.text.contains("-- tideover spool rebuild"));
        }
    }

    /// docs/json.md: what the config refuses has a code of its own, before anybody is asked.
    #[tokio::test]
    async fn a_config_that_is_refused_ends_with_its_code() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tideover.toml");
        for text in ["[server]\nhostnam = 1\n", "[server\n"] {
            std::fs::write(&file, text).unwrap();
            let failure = serve(Some(&file)).await.unwrap_err();
            assert_eq!(failure.exit as u8, 4, "{failure:?}");
            let failure = spool_options(Some(&file)).unwrap_err();
            assert_eq!(failure.exit as u8, 4, "{failure:?}");
        }
    }

    #[test]
    fn a_file_with_errors_still_leads_to_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tideover.toml");
        std::fs::write(&file, "[server]\ndata_dir = \"/srv/mail\"\nhostnam = 1\n").unwrap();
        let (data_dir, _) = data_dir(Some(&file)).unwrap();
        assert_eq!(data_dir, Path::new("/srv/mail"));
    }
}
