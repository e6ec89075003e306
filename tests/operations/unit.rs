//! The unit for systemd gives the program no more than it needs, and names what is there.

use std::process::Command;

use crate::machine::PROJECT;

const UNIT: &str = "config/tideover.service";
const SOCKETS: &str = "config/tideover.socket";
/// What systemd says of a unit that shuts its program in well enough, 0 to 10.
const EXPOSURE: f64 = 2.0;

/// Without systemd nothing can be said, and nobody needs the unit.
fn systemd_analyze(arguments: &[&str]) -> Option<(bool, String)> {
    let output = Command::new("systemd-analyze")
        .args(arguments)
        .arg(UNIT)
        .current_dir(PROJECT)
        .env("SYSTEMD_COLORS", "0")
        .output()
        .ok()?;
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    Some((output.status.success(), said))
}

#[test]
fn the_unit_exposes_little() {
    let security = ["security", "--offline=true", "--no-pager"];
    let Some((_, said)) = systemd_analyze(&security) else {
        return;
    };
    // "→ Overall exposure level for tideover.service: 1.6 OK"
    let level = said
        .rsplit_once("tideover.service: ")
        .and_then(|(_, rest)| rest.split_whitespace().next()?.parse::<f64>().ok());
    let level = level.unwrap_or_else(|| panic!("{said}"));
    assert!(level < EXPOSURE, "{said}");
    assert!(level > 0.0, "{said}");
}

#[test]
fn the_units_have_no_unknown_words() {
    let Some((_, said)) = systemd_analyze(&["verify", SOCKETS]) else {
        return;
    };
    let wrong: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("tideover.s"))
        .filter(|line| line.contains("Unknown") || line.contains("Failed to parse"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}
