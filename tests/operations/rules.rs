//! Alerts and the dashboard: promtool tries the rules, and each metric is one that is exported.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::machine::{Machine, PROGRAM, PROJECT, loopback, on_a_machine, require};
use crate::platform::Platform;
use crate::sender;
use crate::wait::{LONG, pause};

const ALERTS: &str = "config/alerts.yml";
const DASHBOARD: &str = "config/grafana.json";
const TRIALS: &str = "tests/operations/alerts_test.yml";
const BLOB: &str = "https://github.com/tideover/tideover/blob/main/";
/// What a test without the Internet's DNS and without a replay does not count.
const NOT_HERE: [&str; 2] = ["tideover_tls_sessions_total", "tideover_replayed_total"];
/// Labels that Prometheus adds.
const ADDED: [&str; 3] = ["instance", "job", "le"];

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(PROJECT).join(path)).unwrap()
}

fn promtool(arguments: [&str; 3]) {
    require();
    let output = Command::new("promtool")
        .args(arguments)
        .current_dir(PROJECT)
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{said}");
}

/// The metrics that a text speaks of; buckets are of their histogram.
fn metrics(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("tideover_"))
        .map(|word| word.strip_suffix("_bucket").unwrap_or(word).to_owned())
        .collect()
}

/// The labels by which each metric is chosen: `name{label="…", other=~"…"}`.
fn chosen(text: &str) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for (before, after) in text.match_indices('{').map(|(at, _)| text.split_at(at)) {
        let name = before
            .rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .next();
        let name = name.unwrap_or_default();
        let name = name.strip_suffix("_bucket").unwrap_or(name);
        if !name.starts_with("tideover_") {
            continue;
        }
        let inside = after.split('}').next().unwrap_or_default();
        for (label, _) in inside.match_indices('=').map(|(at, _)| inside.split_at(at)) {
            let label = label.trim_end_matches('!');
            let label = label
                .rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .next();
            found.insert((name.to_owned(), label.unwrap_or_default().to_owned()));
        }
    }
    found
}

/// The values of a key, one from each alert that has it.
fn values<'a>(alerts: &'a str, key: &str) -> Vec<&'a str> {
    alerts
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- ").or(Some(line.trim())))
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
        .map(|value| value.trim_matches('"'))
        .collect()
}

#[test]
fn promtool_takes_the_rules() {
    promtool(["check", "rules", ALERTS]);
}

#[test]
fn every_alert_fires_when_it_should_and_not_before() {
    promtool(["test", "rules", TRIALS]);
    let (alerts, trials, page) = (text(ALERTS), text(TRIALS), text("docs/alerts.md"));
    let names = values(&alerts, "alert");
    assert!(names.len() > 15, "{names:?}");
    for name in &names {
        let fires = format!("alertname=\"{name}\"");
        assert!(trials.contains(&fires), "{name} is not tried");
        let row = format!("| `{name}` |");
        assert!(page.contains(&row), "{name} is not in docs/alerts.md");
    }
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| `Tide"))
        .count();
    assert_eq!(rows, names.len(), "docs/alerts.md knows others");
}

#[test]
fn every_alert_says_what_to_do() {
    let alerts = text(ALERTS);
    let count = values(&alerts, "alert").len();
    for key in ["summary", "action", "runbook_url", "labels"] {
        assert_eq!(values(&alerts, key).len(), count, "{key}");
    }
    for url in values(&alerts, "runbook_url") {
        let target = url.strip_prefix(BLOB).unwrap_or_else(|| panic!("{url}"));
        let (file, heading) = target.split_once('#').unwrap_or((target, ""));
        let page = text(file);
        let is_there = |line: &str| {
            let words = line.trim_start_matches('#').trim().to_lowercase();
            line.starts_with('#') && words.replace(' ', "-") == heading
        };
        assert!(heading.is_empty() || page.lines().any(is_there), "{url}");
    }
    for action in values(&alerts, "action") {
        for said in action.split("tideover ").skip(1) {
            let is_over = |c: char| !c.is_ascii_lowercase() && !" -".contains(c);
            let said = said.split(is_over).next().unwrap_or_default();
            let mut words: Vec<&str> = said.split(' ').collect();
            words.truncate(2);
            words.retain(|word| !word.is_empty() && !word.starts_with('-'));
            let help = Command::new(PROGRAM).args(&words).arg("--help").output();
            assert!(help.unwrap().status.success(), "{action}: {words:?}");
        }
    }
}

#[test]
fn the_dashboard_is_one() {
    let dashboard: serde_json::Value = serde_json::from_str(&text(DASHBOARD)).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        if panel["type"] == "row" {
            continue;
        }
        let is_told = panel["description"]
            .as_str()
            .is_some_and(|it| !it.is_empty());
        assert!(is_told, "{panel}");
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{panel}");
        for target in targets {
            parses(target["expr"].as_str().unwrap());
        }
    }
}

/// Panics unless it is PromQL: as a rule, with what Grafana would put in.
fn parses(expression: &str) {
    let plain = expression
        .replace("$__rate_interval", "5m")
        .replace("$instance", ".*");
    let quoted = serde_json::to_string(&plain).unwrap();
    let rules = format!("groups: [{{name: a, rules: [{{record: b, expr: {quoted}}}]}}]\n");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.yml");
    fs::write(&file, rules).unwrap();
    promtool(["check", "rules", file.to_str().unwrap()]);
}

#[test]
fn every_metric_is_documented() {
    let page = metrics(&text("docs/metrics.md"));
    for file in [ALERTS, DASHBOARD, TRIALS] {
        let named = metrics(&text(file));
        let unknown: Vec<_> = named.difference(&page).collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
        assert!(named.len() > 10, "{file}: {named:?}");
    }
}

#[test]
fn every_label_is_documented() {
    let said = chosen("a{x=\"1\"} tideover_b_bucket{y!=\"1\", le=~\"2\"}");
    let expected = [("tideover_b", "le"), ("tideover_b", "y")];
    let expected = expected.map(|(name, label)| (name.to_owned(), label.to_owned()));
    assert_eq!(said, BTreeSet::from(expected));
    let page = text("docs/metrics.md");
    for file in [ALERTS, DASHBOARD, TRIALS] {
        let asked = chosen(&text(file));
        assert!(asked.len() >= 2, "{file}: {asked:?}");
        for (name, label) in asked {
            let row = page
                .lines()
                .find(|line| line.contains(&format!("`{name}`")));
            let labels = row
                .and_then(|row| row.split('|').nth(3))
                .unwrap_or_default();
            let is_known = labels.split(',').any(|it| it.trim() == label);
            assert!(
                is_known || ADDED.contains(&&*label),
                "{file}: {name} has no label {label}"
            );
        }
    }
}

#[test]
fn every_metric_is_exported() {
    on_a_machine("rules::every_metric_is_exported", |machine| {
        let mut onprem = Platform::onprem();
        let _cloud = Platform::cloud();
        machine.install_with(|config| {
            fs::write("/etc/tideover/ad.password", "secret\n").unwrap();
            config.to_owned() + MORE
        });
        machine.wait_for_health("onprem", "up");
        machine.mail("ann@example.org", "counted");
        onprem.wait_for("ann@example.org", "counted");
        let door = loopback(2525);
        let reply = sender::send(door, "eve@example.net", "nobody@example.org", "x");
        assert!(reply.starts_with("550"), "{reply}");
        log_in_in_vain(machine);
        onprem.stop();
        machine.wait_for_health("onprem", "down");
        let wanted: BTreeSet<String> = [ALERTS, DASHBOARD]
            .iter()
            .flat_map(|file| metrics(&text(file)))
            .filter(|name| !NOT_HERE.contains(&&**name))
            .collect();
        // Some are counted every few seconds.
        let start = Instant::now();
        loop {
            let said = machine.must("curl -s http://127.0.0.1:8081/metrics");
            let said = metrics(&said);
            let missing: Vec<_> = wanted.difference(&said).collect();
            if missing.is_empty() {
                break;
            }
            assert!(start.elapsed() < LONG, "not exported: {missing:?}");
            pause();
        }
    });
}

/// A wrong password at the page of the users.
fn log_in_in_vain(machine: &Machine) {
    let page = machine.must("curl -s -c jar http://127.0.0.1:8080/login");
    let token = page.split("name=\"csrf\" value=\"").nth(1);
    let token = token.and_then(|rest| rest.split('"').next()).unwrap();
    machine.must(&format!(
        "curl -s -b jar -d csrf={token} -d next=/ -d address=ann@example.org -d password=wrong \
         http://127.0.0.1:8080/login"
    ));
}

const MORE: &str = r#"
[drill]
address = "drill@example.org"
[[drill.leg]]
to = "onprem"
mailbox = "carol@example.org"
[directory.ldap.ad]
servers = ["ldap://127.0.0.1:1389"]
starttls = true
username = "cn=reader"
password_file = "ad.password"
[[directory.ldap.ad.search]]
base = "dc=example,dc=org"
[filter.virus]
kind = "clamd"
address = "/run/nobody/clamd.ctl"
on_failure = "accept"
"#;
