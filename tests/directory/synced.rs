//! Synchronisation with a directory server.

use serde_json::json;

use crate::cutter::Cutter;
use crate::place::Place;
use crate::slapd::{CROWD, Slapd};

#[test]
fn people_come_over_tls_and_a_strange_certificate_is_refused() {
    let server = Slapd::start();
    let (plain, secure) = (server.plain.port(), server.secure.port());
    let authorities = format!("authorities = \"{}\"", server.certificate().display());
    let place = Place::open(&[
        (
            "ad",
            format!("servers = [\"ldaps://localhost:{secure}\"]\n{authorities}"),
        ),
        (
            "twin",
            format!("servers = [\"ldap://localhost:{plain}\"]\n{authorities}"),
        ),
        (
            "stranger",
            format!("servers = [\"ldaps://localhost:{secure}\"]"),
        ),
    ]);
    let status = place.verb(&["directory", "status"]).unwrap();
    let sources = &status["sources"];
    for source in 0..2 {
        assert_eq!(sources[source]["error"], json!(null), "{sources:#}");
        assert_eq!(sources[source]["people"], CROWD + 3);
    }
    let refused = sources[2]["error"].as_str().unwrap();
    assert!(refused.contains("cannot be reached"), "{refused}");
    assert!(refused.contains("invalid peer certificate"), "{refused}");
    let status = place.verb(&["status"]).unwrap();
    assert_eq!(status["sources"][2]["failures"], 1);
    // Two sources with the same people are the same people.
    let entries = place.verb(&["directory", "status"]).unwrap()["entries"].clone();
    assert_eq!(entries, CROWD + 3);

    let ann = place.lookup("archer@example.org");
    assert_eq!(ann["address"], "Ann@example.org");
    assert_eq!(ann["home"], "onprem");
    assert_eq!(ann["name"], "Ann Archer");
    assert_eq!(ann["second_address"], "ann@home.example");
    assert_eq!(ann["hidden"], true);
    let x500 = ["/o=New/ou=Site/cn=ann", "/o=Old/ou=Site/cn=ann"];
    assert_eq!(ann["x500"], json!(x500));
    let left_out = sources[0]["left_out"].to_string();
    assert!(left_out.contains("not an address"), "{left_out}");
    assert!(left_out.contains("cn=Printer"), "{left_out}");

    let bob = place.lookup("bob@example.org");
    assert_eq!(bob["kind"], "user");
    assert_eq!(bob["delivery_address"], "bob@tenant.example");
    let staff = place.lookup("staff@example.org");
    let members = ["Ann@example.org", "carla@partner.example"];
    assert_eq!(staff["members"], json!(members));

    let generations = place.generations();
    for source in ["ad", "twin"] {
        let again = place.verb(&["directory", "sync", source]).unwrap();
        assert_eq!(again[0]["change"]["generation"], json!(null));
    }
    assert_eq!(
        place.generations(),
        generations,
        "idle, so nothing is written"
    );
}

#[test]
fn a_server_that_breaks_off_changes_nothing() {
    let mut server = Slapd::start();
    let cutter = Cutter::before(server.plain);
    let lines = format!(
        "servers = [\"ldap://{}\"]\nstarttls = false",
        cutter.address
    );
    let place = Place::open(&[("ad", lines)]);
    assert_eq!(place.generations(), 1);

    server.modify(RENAME);
    // In the middle of all, and soon after the login.
    for bytes in [200_000, 20_000] {
        cutter.let_through(bytes);
        let broken = place.verb(&["directory", "sync"]).unwrap_err();
        assert!(broken.contains("broke off"), "{broken}");
        assert_eq!(place.generations(), 1);
    }
    server.kill();
    let gone = place.verb(&["directory", "sync", "ad"]).unwrap_err();
    assert!(gone.contains("broke off"), "{gone}");
    let status = place.verb(&["directory", "status"]).unwrap();
    assert_eq!(status["sources"][0]["failures"], 3);
    assert_eq!(status["entries"], CROWD + 3, "who is known stays known");

    server.run();
    cutter.let_through(usize::MAX);
    let mended = place.verb(&["directory", "sync"]).unwrap();
    let effect = &mended[0]["change"]["generation"]["effect"];
    // Bob is still Bob, with another name and another address.
    assert_eq!(effect["changed"], 1, "{mended:#}");
    assert_eq!(
        (&effect["added"], &effect["removed"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(place.lookup("robert@example.org")["name"], "Robert Baker");
}

#[test]
fn a_synchronisation_that_would_delete_many_stops_and_asks() {
    let server = Slapd::start();
    let lines = format!("servers = [\"ldap://{}\"]\nstarttls = false", server.plain);
    let place = Place::open(&[("ad", lines)]);
    let gone = (0..CROWD / 10).map(|number| {
        format!("dn: cn=p{number},ou=People,dc=example,dc=org\nchangetype: delete\n\n")
    });
    server.modify(&gone.collect::<String>());
    let stopped = place.verb(&["directory", "sync"]).unwrap_err();
    assert!(stopped.contains("would delete 120"), "{stopped}");
    assert!(stopped.contains("--yes"), "{stopped}");
    assert_eq!(place.generations(), 1);
    let done = place.verb(&["directory", "sync", "--yes", "--reason", "a merger"]);
    assert_eq!(done.unwrap()[0]["change"]["done"], true);
    // Who is gone still receives, for a while.
    assert!(place.lookup("p0@example.org")["departed"] != json!(null));
}

const RENAME: &str = "\
dn: cn=Bob Baker,ou=People,dc=example,dc=org
changetype: modrdn
newrdn: cn=Robert Baker
deleteoldrdn: 1

dn: cn=Robert Baker,ou=People,dc=example,dc=org
changetype: modify
replace: proxyAddresses
proxyAddresses: SMTP:robert@example.org
proxyAddresses: smtp:bob@example.org
";
