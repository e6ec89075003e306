//! Logins to the webmail with the passwords of a directory server.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use crate::place::Place;
use crate::slapd::Slapd;
use crate::wait::eventually;

const PASSWORD: &str = "of the organisation";
const KEYS: &str = "\
dn: cn=Ann Archer,ou=People,dc=example,dc=org
changetype: modify
replace: userPassword
userPassword: of the organisation

dn: cn=Bob Baker,ou=People,dc=example,dc=org
changetype: modify
replace: userPassword
userPassword: of the organisation

";

const RENAMED: &str = "\
dn: cn=Ann Archer,ou=People,dc=example,dc=org
changetype: modify
replace: mail
mail: anna@example.org
-
replace: proxyAddresses
proxyAddresses: SMTP:anna@example.org
proxyAddresses: smtp:ann@example.org
proxyAddresses: smtp:archer@example.org

";
const MOVED: &str = "\
dn: cn=Bob Baker,ou=People,dc=example,dc=org
changetype: modrdn
newrdn: cn=Bob Butcher
deleteoldrdn: 1

";
const FOREIGN: &str = "\
dn: cn=Eve,ou=People,dc=example,dc=org
changetype: add
objectClass: user
cn: Eve
mail: bob@example.org
proxyAddresses: SMTP:bob@example.org
userPassword: of eve

";
const REPLACED: &str = "\
dn: cn=Bob Baker,ou=People,dc=example,dc=org
changetype: delete

dn: cn=Bob Baker,ou=People,dc=example,dc=org
changetype: add
objectClass: user
cn: Bob Baker
proxyAddresses: SMTP:bob@example.org
userPassword: of eve

";

/// The status of an answer, its head, and the page.
fn ask(web: SocketAddr, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(web).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer)
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap();
    rest.split(after).next().unwrap()
}

/// What a login comes to: 303 when it is right.
fn log_in(web: SocketAddr, address: &str, password: &str) -> (u16, String) {
    let head = format!("Host: {web}\r\nConnection: close\r\n");
    let (_, page) = ask(web, &format!("GET /login HTTP/1.1\r\n{head}\r\n"));
    let cookie = between(&page, "set-cookie: ", ";");
    let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
    let (address, password) = (address.replace('@', "%40"), password.replace(' ', "+"));
    let form = format!("csrf={csrf}&address={address}&password={password}");
    ask(
        web,
        &format!(
            "POST /login HTTP/1.1\r\n{head}Cookie: {cookie}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{form}",
            form.len()
        ),
    )
}

fn place(server: &Slapd, source: &str) -> (Place, SocketAddr) {
    server.modify(KEYS);
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr());
    let web = free.unwrap();
    let authorities = format!("authorities = \"{}\"", server.certificate().display());
    let more = format!("[web]\nbind = \"{web}\"\nldap = \"ad\"\n");
    let place = Place::open_with(&[("ad", format!("{source}\n{authorities}"))], &more);
    eventually("the pages are there", || TcpStream::connect(web).ok());
    (place, web)
}

#[test]
fn the_password_of_the_server_lets_in_while_the_server_is_there() {
    let mut server = Slapd::start();
    // The first server is never there.
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr());
    let source = format!(
        "servers = [\"ldaps://localhost:{}\", \"ldaps://localhost:{}\"]",
        nobody.unwrap().port(),
        server.secure.port()
    );
    let (place, web) = place(&server, &source);
    let status = |address: &str, password: &str| log_in(web, address, password).0;
    for (address, password) in [
        ("ann@example.org", "something else"),
        ("ann@example.org", ""),
        ("ann%2Bshop@example.org", PASSWORD),
        ("nobody@example.org", PASSWORD),
        ("staff@example.org", PASSWORD),
        ("*@example.org", PASSWORD),
        // Nobody of ours has a password there, but somebody without any.
        ("p7@example.org", PASSWORD),
    ] {
        assert_eq!(status(address, password), 422, "{address}");
    }
    let users = || place.verb(&["user", "list"]).unwrap();
    assert_eq!(users(), serde_json::json!([]));
    // One is known by an objectGUID, the other by an entryUUID.
    assert_eq!(status("ann@example.org", PASSWORD), 303);
    assert_eq!(status("bob@example.org", PASSWORD), 303);
    // By an alias it is the same account.
    assert_eq!(status("archer@example.org", PASSWORD), 303);
    assert_eq!(users().as_array().unwrap().len(), 2, "{:#}", users());
    assert_eq!(users()[0]["state"], "directory");
    place.verb(&["user", "disable", "ann@example.org"]).unwrap();
    assert_eq!(status("ann@example.org", PASSWORD), 422);
    server.modify(RENAMED);
    place.verb(&["directory", "sync"]).unwrap();
    for name in ["anna@example.org", "ann@example.org", "archer@example.org"] {
        assert_eq!(status(name, PASSWORD), 422, "{name}");
    }
    // Who is moved in the tree and renamed there is found again.
    server.modify(MOVED);
    assert_eq!(status("bob@example.org", PASSWORD), 303);

    server.kill();
    for address in ["bob@example.org", "nobody@example.org"] {
        let (status, page) = log_in(web, address, PASSWORD);
        assert_eq!(status, 503, "{page}");
        assert!(page.contains("cannot be checked now"), "{page}");
    }
    server.run();
    assert_eq!(log_in(web, "bob@example.org", PASSWORD).0, 303);
}

#[test]
fn an_address_in_an_entry_of_ones_own_opens_nobody_elses_mailbox() {
    let server = Slapd::start();
    let source = format!("servers = [\"ldaps://localhost:{}\"]", server.secure.port());
    let (place, web) = place(&server, &source);
    server.modify(FOREIGN);
    let status = |password: &str| log_in(web, "bob@example.org", password).0;
    // Before and after the directory has heard of it.
    assert_eq!(status("of eve"), 422);
    place.verb(&["directory", "sync"]).unwrap();
    assert_eq!(status("of eve"), 422);
    assert_eq!(status(PASSWORD), 303);
    // Nor does an entry that has taken the place of another.
    server.modify(REPLACED);
    assert_eq!(status("of eve"), 422);
    assert_eq!(status(PASSWORD), 422);
}

#[test]
fn all_names_of_a_person_share_one_count_and_a_password_is_not_told() {
    let server = Slapd::start();
    let source = format!("servers = [\"ldaps://localhost:{}\"]", server.secure.port());
    let (place, web) = place(&server, &source);
    for name in ["ann", "archer", "ann%2B1", "archer%2B2", "ANN%2B3"] {
        let address = format!("{name}@example.org");
        assert_eq!(log_in(web, &address, "geheim-4711").0, 422, "{address}");
    }
    for name in ["ann", "archer", "ann%2B4"] {
        let address = format!("{name}@example.org");
        assert_eq!(log_in(web, &address, PASSWORD).0, 429, "{address}");
    }
    assert_eq!(log_in(web, "bob@example.org", PASSWORD).0, 303);
    eventually("the log says so", || {
        let log = place.log();
        let said = ["refuses a login", "LDAP result 49"].map(|part| log.contains(part));
        (said == [true; 2]).then_some(())
    });
    for secret in ["geheim-4711", PASSWORD] {
        assert!(!place.contains(secret.as_bytes()), "{secret} is kept");
    }
}

#[test]
fn a_login_provider_that_is_away_is_told_on_the_page() {
    let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr());
    let (web, away) = (free().unwrap(), free().unwrap());
    let more = format!(
        "[web]\nbind = \"{web}\"\nbase_url = \"http://{web}\"\n[web.oidc]\n\
         issuer = \"https://{away}\"\nclient_id = \"tideover\"\n"
    );
    let _place = Place::open_with(&[], &more);
    eventually("the pages are there", || TcpStream::connect(web).ok());
    let head = format!("HTTP/1.1\r\nHost: {web}\r\nConnection: close\r\n\r\n");
    let (_, page) = ask(web, &format!("GET /login {head}"));
    assert!(page.contains("Log in with 127.0.0.1<"), "{page}");
    let (status, page) = ask(web, &format!("GET /login/provider {head}"));
    assert_eq!(status, 503, "{page}");
    assert!(page.contains("127.0.0.1 cannot be reached now"), "{page}");
}

#[test]
fn starttls_carries_passwords_and_a_strange_certificate_does_not() {
    let server = Slapd::start();
    let source = format!("servers = [\"ldap://localhost:{}\"]", server.plain.port());
    let (first, web) = place(&server, &source);
    assert_eq!(log_in(web, "bob@example.org", PASSWORD).0, 303);
    assert_eq!(log_in(web, "bob@example.org", "something else").0, 422);
    drop(first);
    let other = Slapd::start();
    let (port, strange) = (server.secure.port(), other.certificate());
    other.modify(KEYS);
    let more = format!("[web]\nbind = \"{web}\"\nldap = \"stranger\"\n");
    let lines = format!(
        "servers = [\"ldaps://localhost:{port}\"]\nauthorities = \"{}\"",
        strange.display()
    );
    let good = format!(
        "servers = [\"ldaps://localhost:{port}\"]\nauthorities = \"{}\"",
        server.certificate().display()
    );
    let _second = Place::open_with(&[("ad", good), ("stranger", lines)], &more);
    eventually("the pages are there", || TcpStream::connect(web).ok());
    assert_eq!(log_in(web, "bob@example.org", PASSWORD).0, 503);
}

/// What a mail program is told that logs in.
fn submit(door: SocketAddr, (address, password): (&str, &str)) -> String {
    let output = std::process::Command::new("swaks")
        .args([
            "--server",
            &door.ip().to_string(),
            "--port",
            &door.port().to_string(),
        ])
        .args([
            "--tls-on-connect",
            "--protocol",
            "ESMTP",
            "--quit-after",
            "AUTH",
        ])
        .args([
            "--auth",
            "PLAIN",
            "--auth-user",
            address,
            "--auth-password",
            password,
        ])
        .output()
        .unwrap();
    output.stdout.escape_ascii().to_string()
}

#[test]
fn mail_programs_log_in_with_the_password_of_the_server() {
    let mut server = Slapd::start();
    server.modify(KEYS);
    let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr());
    let (web, door) = (free().unwrap(), free().unwrap());
    let source = format!(
        "servers = [\"ldaps://localhost:{}\"]\nauthorities = \"{}\"",
        server.secure.port(),
        server.certificate().display()
    );
    let more = format!(
        "[web]\nbind = \"{web}\"\nldap = \"ad\"\n\
         [[listener]]\nbind = \"{door}\"\nrole = \"submission\"\ntls = \"implicit\"\n"
    );
    let place = Place::open_with(&[("ad", source)], &more);
    eventually("the door is there", || TcpStream::connect(door).ok());
    for (name, password, reply) in [
        ("ann@example.org", PASSWORD, "235 2.7.0"),
        ("archer@example.org", PASSWORD, "235 2.7.0"),
        ("ann@example.org", "something else", "535 5.7.8"),
        ("nobody@example.org", PASSWORD, "535 5.7.8"),
    ] {
        let said = submit(door, (name, password));
        assert!(said.contains(reply), "{name}: {said}");
        // The server has to see the password.
        assert!(
            said.contains("AUTH PLAIN LOGIN") && !said.contains("SCRAM"),
            "{said}"
        );
    }
    place.verb(&["user", "disable", "ann@example.org"]).unwrap();
    let said = submit(door, ("ann@example.org", PASSWORD));
    assert!(said.contains("535 5.7.8"), "{said}");
    server.kill();
    let said = submit(door, ("bob@example.org", PASSWORD));
    assert!(said.contains("454 4.7.0"), "{said}");
}
