//! `serve`, and where the server of a config lives.

use std::path::{Path, PathBuf};

use super::{Exit, Failure};
use crate::config::{self, Places, Problems};
use crate::daemon::{self, StartError};
use crate::telemetry::log::{self, LogOptions};

fn refused(problems: &Problems) -> Failure {
    let text = problems.to_string().replace('\n', "\n  ");
    Failure::new(Exit::Config, format!("the config is refused:\n  {text}"))
}

pub(super) fn find(argument: Option<&Path>) -> Result<PathBuf, Failure> {
    // The arguments know TIDEOVER_CONFIG too.
    let places = Places {
        argument: argument.map(Path::to_owned),
        environment: None,
    };
    config::find(places).map_err(|problems| refused(&problems))
}

/// `data_dir` of the config, and the config's file. Whatever else is wrong in it: the server that
/// runs can still be asked while somebody edits the file, and says itself what it refuses.
pub(super) fn data_dir(argument: Option<&Path>) -> Result<(PathBuf, PathBuf), Failure> {
    let file = find(argument)?;
    let data_dir = config::data_dir(&file).map_err(|problems| refused(&problems))?;
    Ok((data_dir, file))
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

/// `serve`.
pub(super) async fn serve(argument: Option<&Path>) -> Result<(), Failure> {
    let file = find(argument)?;
    let config = config::load(&file).map_err(|problems| refused(&problems))?;
    log::install(&LogOptions::default()).map_err(|error| Failure::new(Exit::Config, error))?;
    daemon::serve(config).await.map_err(|error| {
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
    fn a_file_with_errors_still_leads_to_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tideover.toml");
        std::fs::write(&file, "[server]\ndata_dir = \"/srv/mail\"\nhostnam = 1\n").unwrap();
        let (data_dir, _) = data_dir(Some(&file)).unwrap();
        assert_eq!(data_dir, Path::new("/srv/mail"));
    }
}
