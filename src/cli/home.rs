//! The verbs that read the config themselves, and where the server of a config lives.

use std::path::{Path, PathBuf};

use super::intent::{Depth, Format};
use super::{Exit, Failure};

/// Where the config is looked for when nobody says where it is.
const USUAL: [&str; 2] = ["./tideover.toml", "/etc/tideover/tideover.toml"];

fn find(config: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(config) = config {
        return Ok(config.to_owned());
    }
    let mut usual = USUAL.iter().map(PathBuf::from);
    usual.find(|path| path.is_file()).ok_or_else(|| {
        Failure::new(
            Exit::Config,
            "there is no config: name it with -c FILE or TIDEOVER_CONFIG, or put it at \
             ./tideover.toml or /etc/tideover/tideover.toml",
        )
    })
}

/// `data_dir` of the config, and the config's file. Reads no other key: a config that is being
/// edited must not keep anybody from asking the server that runs.
pub(super) fn data_dir(config: Option<&Path>) -> Result<(PathBuf, PathBuf), Failure> {
    let file = find(config)?;
    let refused = |what: String| Failure::new(Exit::Config, format!("{}: {what}", file.display()));
    let text = std::fs::read_to_string(&file).map_err(|error| refused(error.to_string()))?;
    let table: toml::Table = text.parse().map_err(|error| refused(format!("{error}")))?;
    let data_dir = table
        .get("server")
        .and_then(|server| server.get("data_dir"))
        .and_then(toml::Value::as_str)
        .unwrap_or("./data");
    // Relative paths are relative to the config.
    let folder = file.parent().unwrap_or(Path::new("."));
    Ok((folder.join(data_dir), file))
}

/// `serve`.
pub(super) async fn serve(config: Option<&Path>) -> Result<(), Failure> {
    let file = find(config)?;
    Err(Failure::new(Exit::Config, file.display()))
}

/// `check`.
pub(super) async fn check(
    config: Option<&Path>,
    _depth: Depth,
    _format: Format,
) -> Result<(), Failure> {
    let file = find(config)?;
    Err(Failure::new(Exit::Config, file.display()))
}
