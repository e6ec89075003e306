//! The suites that others publish, when they are at hand: they are not part of this repository.
//!
//! `TIDEOVER_SPF_SUITE` and `TIDEOVER_ARC_SUITE` name files with the documents of
//! `rfc7208-tests.yml` (pyspf) and `arc-draft-validation-tests.yml` (arc_test_suite) as JSON, each
//! a list of the documents of the file. Where we differ on purpose stands below, with the reason.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::arc;
use super::lookup::Lookups;
use super::reading::Reading;
use super::spf::{self, Client};
use super::zone::Zone;

/// Cases of the SPF suite that end differently here.
const SPF_DIFFERS: [(&str, &str); 0] = [];
/// Cases of the ARC suite that end differently here.
const ARC_DIFFERS: [(&str, &str); 1] = [(
    "ams_fields_c_na",
    "RFC 6376 §3.5: without c= a signature is simple/simple; this one holds as relaxed only",
)];

#[expect(clippy::disallowed_methods, reason = "only a developer has the suites")]
fn suite(variable: &str) -> Vec<Value> {
    let path = std::env::var(variable).unwrap_or_else(|_| panic!("{variable} names no file"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn text(value: &Value) -> String {
    match (value.as_array(), value.as_str()) {
        (Some(parts), _) => parts.iter().map(text).collect(),
        (None, Some(text)) => text.to_owned(),
        (None, None) => value.to_string(),
    }
}

fn zone_of(data: &Value) -> Zone {
    let mut zone = Zone::default();
    for (name, records) in data.as_object().unwrap() {
        zone.add(name, "EXISTS", "");
        let records: Vec<&Value> = records.as_array().unwrap().iter().collect();
        let has_txt = records.iter().any(|it| it.get("TXT").is_some());
        for record in records {
            let Some(record) = record.as_object() else {
                zone.add(name, "SILENT", "");
                continue;
            };
            for (kind, value) in record {
                match kind.as_str() {
                    "SPF" if has_txt => {}
                    "SPF" => zone.add(name, "TXT", &text(value)),
                    "TXT" if value == "NONE" => {}
                    "MX" => {
                        let value = format!("{} {}", value[0], value[1].as_str().unwrap());
                        zone.add(name, "MX", &value);
                    }
                    "TIMEOUT" | "RCODE" => zone.add(name, "SILENT", ""),
                    kind => zone.add(name, kind, &text(value)),
                }
            }
        }
    }
    zone
}

fn lookups(zone: Zone) -> Lookups {
    Lookups::new(
        Some(Arc::new(zone)),
        Instant::now() + Duration::from_secs(60),
    )
}

#[tokio::test]
#[ignore = "needs the file of TIDEOVER_SPF_SUITE"]
async fn the_suite_of_pyspf() {
    let mut wrong = Vec::new();
    for document in suite("TIDEOVER_SPF_SUITE") {
        for (name, test) in document["tests"].as_object().unwrap() {
            let lookups = lookups(zone_of(&document["zonedata"]));
            let helo = test["helo"].as_str().unwrap();
            let from = test["mailfrom"].as_str().unwrap_or_default();
            let (local, origin) = from.rsplit_once('@').unwrap_or(("postmaster", from));
            let client = Client {
                ip: test["host"].as_str().unwrap().parse().unwrap(),
                helo,
                local,
                origin: if from.is_empty() { helo } else { origin },
            };
            let lookup = lookups.method(1000);
            let found = spf::check(client, &lookup).await.as_str();
            let several = test["result"].as_array().cloned();
            let expected = several.unwrap_or_else(|| vec![test["result"].clone()]);
            let differs = SPF_DIFFERS.iter().find(|(known, _)| known == name);
            let matches = expected.iter().any(|it| it == found);
            if matches == differs.is_some() {
                wrong.push(format!("{name}: {found}, expected {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[tokio::test]
#[ignore = "needs the file of TIDEOVER_ARC_SUITE"]
async fn the_suite_of_arc() {
    let mut wrong = Vec::new();
    for document in suite("TIDEOVER_ARC_SUITE") {
        for (name, test) in document["tests"].as_object().unwrap() {
            let mut zone = Zone::default();
            for (name, value) in document["txt-records"].as_object().unwrap() {
                zone.add(name, "TXT", &text(value));
            }
            let lookups = lookups(zone);
            let message = test["message"].as_str().unwrap_or_default();
            let message = message.replace("\r\n", "\n").replace('\n', "\r\n");
            let mut reading = Reading::default();
            reading.push(message.as_bytes());
            let chain = arc::check(&reading.finish(), &lookups.method(1000)).await;
            let found = chain.result.as_str();
            let expected = test["cv"].as_str().unwrap_or_default().to_lowercase();
            let differs = ARC_DIFFERS.iter().find(|(known, _)| known == name);
            if (found == expected || expected.is_empty()) == differs.is_some() {
                wrong.push(format!(
                    "{name}: {found}, expected {expected}: {:?}",
                    chain.reason
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}
