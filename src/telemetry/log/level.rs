//! Which lines are logged.

use tracing_subscriber::EnvFilter;

/// The words, from nothing to everything.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
/// What crates of others may say at most: at `debug` and below they show what goes over their
/// connections, which can be secrets.
const FOREIGN: &str = "info";

/// The level cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is no level of the log, expected off, error, warn, info, debug or trace, or for \
     rooms of ours for example \"info,tideover::outbound=debug\""
)]
pub struct BadLevel(String);

/// Checks a level without installing anything.
///
/// # Errors
/// [`BadLevel`].
pub fn check_level(level: &str) -> Result<(), BadLevel> {
    filter(level).map(drop)
}

pub(super) fn filter(level: &str) -> Result<EnvFilter, BadLevel> {
    let bad = || BadLevel(level.chars().take(100).collect());
    let directives = directives(level).ok_or_else(bad)?;
    EnvFilter::try_new(directives).map_err(|_| bad())
}

/// For the filter. Its own rules are wider: a word that is no level would be a target there, and
/// everything else would be silent.
fn directives(level: &str) -> Option<String> {
    let (mut own, mut rooms) = (None, Vec::new());
    for part in level.split(',').map(str::trim) {
        match part.split_once('=') {
            None => {
                let word = word(part)?;
                if own.replace(word).is_some() {
                    return None;
                }
            }
            Some((room, level)) => {
                let (room, level) = (room.trim(), word(level.trim())?);
                if !is_ours(room) {
                    return None;
                }
                rooms.push(format!("{room}={level}"));
            }
        }
    }
    let own = own.unwrap_or("info");
    let place = |word: &str| LEVELS.iter().position(|level| *level == word);
    let foreign = if place(own) < place(FOREIGN) {
        own
    } else {
        FOREIGN
    };
    let mut all = format!("{foreign},tideover={own}");
    for room in rooms {
        all.push(',');
        all.push_str(&room);
    }
    Some(all)
}

fn word(text: &str) -> Option<&'static str> {
    let mut levels = LEVELS.into_iter();
    levels.find(|level| level.eq_ignore_ascii_case(text))
}

fn is_ours(room: &str) -> bool {
    let mut parts = room.split("::");
    let is_name = |part: &str| {
        let mut bytes = part.bytes();
        !part.is_empty() && bytes.all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
    };
    parts.next() == Some("tideover") && parts.all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_for_us_and_foreign_crates_stay_quiet() {
        for (level, expected) in [
            ("info", "info,tideover=info"),
            ("DEBUG", "info,tideover=debug"),
            ("trace", "info,tideover=trace"),
            ("warn", "warn,tideover=warn"),
            ("off", "off,tideover=off"),
            (
                "tideover::outbound=debug",
                "info,tideover=info,tideover::outbound=debug",
            ),
            (
                " error , tideover::queue=trace ",
                "error,tideover=error,tideover::queue=trace",
            ),
        ] {
            assert_eq!(directives(level).as_deref(), Some(expected), "{level}");
            check_level(level).unwrap();
        }
    }

    #[test]
    fn what_is_no_level_is_refused() {
        for level in [
            "",
            "loud",
            "info,",
            "info,debug",
            "tideover=loud",
            "ldap3=trace",
            "tideoverx=debug",
            "tideover::=debug",
            "tideover[span]=debug",
            "tideover::queue",
        ] {
            let error = check_level(level).unwrap_err().to_string();
            assert!(error.contains("expected"), "{level}: {error}");
        }
        let long = check_level(&"x".repeat(5000)).unwrap_err().to_string();
        assert!(long.len() < 400, "{long}");
    }
}
