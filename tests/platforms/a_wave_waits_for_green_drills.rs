//! Probes go through both platforms and back. When one direction is broken its legs are red, and
//! no wave starts, unless somebody says so by name; mended, they are green.

use serde_json::Value;

use crate::harness::{Lab, Starttls, Tideover, swaks};

const PEOPLE: [&str; 6] = ["probe", "onward", "good", "bad", "u0", "u1"];
const PROBE: &str = "probe-cloud@example.org";

/// Rules that pass mail on, by way of Tideover; for `nobody` the platform has no way.
fn rules(tideover: &Tideover, rules: &[(&str, &str)]) -> String {
    let at = tideover.smtp();
    let alias = |(from, to): &(&str, &str)| format!("{{{from}@example.org={to}@example.org}}");
    let way = |(_, to): &(&str, &str)| {
        let hop = match *to {
            "nobody" => "error:5.1.1 gone".to_owned(),
            _ => format!("smtp:[{}]:{}", at.ip(), at.port()),
        };
        format!("{{{to}@example.org={hop}}}")
    };
    let joined = |parts: Vec<String>| parts.join(", ");
    format!(
        "virtual_alias_maps = inline:{{ {} }}\ntransport_maps = inline:{{ {} }}\n\
         smtp_tls_security_level = may",
        joined(rules.iter().map(alias).collect()),
        joined(rules.iter().map(way).collect())
    )
}

fn leg<'v>(status: &'v Value, name: &str) -> &'v Value {
    let legs = status["legs"].as_array().expect("legs");
    let found = legs.iter().find(|leg| leg["name"] == name);
    found.unwrap_or_else(|| panic!("no leg {name} in {status}"))
}

/// A wave of one user.
fn wave(lab: &Lab, user: &str) -> String {
    let text = format!("{user}@example.org\n");
    let path = lab.file(&format!("{user}.txt"), text.as_bytes());
    path.to_str().unwrap().to_owned()
}

/// Tideover with a drill of four legs.
fn drilled() -> (Lab, Tideover) {
    let named = |platform: &str| PEOPLE.map(|name| format!("{name}-{platform}@example.org"));
    // All mailboxes are on both platforms already; the directory says where mail goes.
    let both: Vec<String> = [named("onprem"), named("cloud")].concat();
    let lab = Lab::of(&both, &both);
    let mut settings = lab.settings();
    let leg_of = |from: &str, to: &str, mailbox: &str| {
        format!("[[drill.leg]]\n{from}to = \"{to}\"\nmailbox = \"{mailbox}@example.org\"\n")
    };
    settings.more = [
        "[drill]\naddress = \"drill@example.org\"\nevery = \"1h\"\ndeadline = \"2m\"\n".to_owned(),
        leg_of("", "onprem", "probe-onprem"),
        leg_of("", "cloud", "probe-cloud"),
        leg_of("from = \"onprem\"\n", "cloud", "onward-onprem"),
        leg_of("from = \"cloud\"\n", "onprem", "onward-cloud"),
    ]
    .concat();
    let rows: String = ["onprem", "cloud"]
        .iter()
        .flat_map(|home| named(home).map(|address| format!("{address},{home}\n")))
        .collect();
    let tideover = Tideover::start(
        settings,
        &format!("address,home\nx@intl.example,onprem\n{rows}"),
    );
    (lab, tideover)
}

fn configure(lab: &mut Lab, tideover: &Tideover) {
    let onprem = [("probe-onprem", "drill"), ("onward-onprem", "probe-cloud")];
    lab.onprem.reconfigure(&rules(tideover, &onprem));
    // Behind one name the cloud passes probes back, behind the other one it cannot.
    let cloud = [
        ("good-cloud", "drill"),
        ("bad-cloud", "nobody"),
        ("onward-cloud", "probe-onprem"),
    ];
    lab.cloud.reconfigure(&rules(tideover, &cloud));
    for backend in ["onprem", "cloud"] {
        tideover.wait_health(backend, "up");
    }
}

/// Under which name the cloud gets what is sent to its probe mailbox.
fn probe_goes_to(tideover: &Tideover, name: &str) {
    let address = format!("{name}@example.org");
    let verb = ["directory", "set", PROBE, "--home", "cloud"];
    tideover.json(&[&verb[..], &["--delivery-address", &address]].concat());
}

fn all_are_green(tideover: &Tideover) {
    let status = tideover.json(&["drill", "run"]);
    assert_eq!(status["green"], true, "{status}");
    for name in [
        "internet-onprem",
        "internet-cloud",
        "onprem-cloud",
        "cloud-onprem",
    ] {
        let leg = leg(&status, name);
        assert_eq!(leg["light"], "green", "{status}");
        assert!(leg["latency_ms"].is_u64(), "{leg}");
        for hop in [&leg["tls_out"], &leg["back"]["tls"]] {
            assert!(hop.as_str().is_some_and(|tls| tls.contains("TLS")), "{leg}");
        }
    }
}

fn two_become_red(tideover: &Tideover) {
    // What the cloud passes on is refused, and it reports that.
    probe_goes_to(tideover, "bad-cloud");
    let told = tideover.refused(&["drill", "run"]);
    assert!(told.contains("not every probe came back"), "{told}");
    let status = tideover.json(&["drill", "status"]);
    for (name, light) in [
        ("internet-onprem", "green"),
        ("internet-cloud", "red"),
        ("onprem-cloud", "red"),
        ("cloud-onprem", "green"),
    ] {
        assert_eq!(leg(&status, name)["light"], light, "{name}: {status}");
    }
    let why = leg(&status, "internet-cloud")["reason"].as_str();
    assert!(why.is_some_and(|why| why.contains("5.1.1")), "{status}");
}

fn a_wave_needs_a_word(lab: &Lab, tideover: &Tideover) {
    let first = wave(lab, "u0-onprem");
    let start = ["wave", "start", first.as_str(), "--to", "cloud"];
    // Not even with force, which is about other things.
    let told = tideover.refused(&[&start[..], &["--force"]].concat());
    assert!(told.contains("drill internet-cloud is red"), "{told}");
    let despite = ["--despite-drill", "--actor", "eve"];
    let started = tideover.json(&[&start[..], &despite].concat());
    assert_eq!(
        started["wave"]["allowed"]["despite_drill"], true,
        "{started}"
    );
    let steps = started["wave"]["steps"].as_array().expect("steps");
    let last = steps.last().expect("a step");
    assert_eq!(last["actor"], "eve", "{started}");
    let reason = last["reason"].as_str().expect("a reason");
    assert!(
        reason.contains("despite: drill internet-cloud is red"),
        "{reason}"
    );
}

#[test]
fn what_is_broken_is_red_and_stops_a_wave() {
    let (mut lab, tideover) = drilled();
    configure(&mut lab, &tideover);
    probe_goes_to(&tideover, "good-cloud");
    all_are_green(&tideover);
    two_become_red(&tideover);
    a_wave_needs_a_word(&lab, &tideover);
    probe_goes_to(&tideover, "good-cloud");
    assert_eq!(tideover.json(&["drill", "run"])["green"], true);
    let second = wave(&lab, "u1-onprem");
    let started = tideover.json(&["wave", "start", &second, "--to", "cloud"]);
    assert_eq!(started["wave"]["state"], "started", "{started}");
    // Nobody else's mail goes there.
    let stranger = ("eve@sender.example", &["drill@example.org"][..]);
    swaks(
        tideover.smtp(),
        Starttls::No,
        stranger,
        "<1@sender.example>",
    );
    // Probes leave nothing behind.
    tideover.wait_idle();
    let trace = tideover.json(&["trace", "<1@sender.example>"]);
    let recipient = &trace["messages"][0]["recipients"][0];
    assert_eq!(recipient["state"], "bounced", "{trace}");
}
