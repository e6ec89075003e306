//! Every operation is done once, on a server on which there is something to do, and what it answers
//! is what the document says.

use std::collections::BTreeSet;

use crate::document::Described;
use crate::place::Place;
use crate::wait::{SHORT, eventually};

/// Method, operation, query, body, in an order in which each makes sense. Names of what the server
/// has made stand in double brackets.
type Step = (&'static str, &'static str, &'static str, &'static str);

const STATE: &[Step] = &[
    ("GET", "/api/openapi.json", "", ""),
    ("GET", "/api/status", "health=true", ""),
    ("GET", "/api/size", "", ""),
    ("GET", "/api/config", "", ""),
    ("GET", "/api/check", "online=true", ""),
    ("GET", "/api/automatic", "", ""),
    (
        "POST",
        "/api/automatic",
        "from=%3C%3E",
        "Auto-Submitted: auto-replied\n\nAway.\n",
    ),
    ("GET", "/api/keys", "", ""),
    (
        "POST",
        "/api/keys",
        "",
        r#"{"domain":"example.org","selector":"s1"}"#,
    ),
    (
        "POST",
        "/api/keys/rsa",
        "domain=example.org&selector=s2",
        "-----BEGIN RSA PRIVATE KEY-----\n",
    ),
    (
        "POST",
        "/api/keys/use",
        "",
        r#"{"domain":"example.org","selector":"s1"}"#,
    ),
    (
        "POST",
        "/api/keys/retire",
        "",
        r#"{"domain":"example.org","selector":"s1"}"#,
    ),
    ("GET", "/api/backends", "", ""),
    ("GET", "/api/backends/{name=onprem}", "", ""),
    (
        "POST",
        "/api/backends/{name=cloud}/override",
        "",
        r#"{"wish":"hold","reason":"a test"}"#,
    ),
    (
        "POST",
        "/api/backends/{name=cloud}/override",
        "",
        r#"{"wish":"resume"}"#,
    ),
    ("POST", "/api/backends/{name=onprem}/probe", "", ""),
    ("GET", "/api/tls", "", ""),
    ("GET", "/api/tls/certificates", "", ""),
    ("GET", "/api/tls/reports", "domain=example.net", ""),
    ("POST", "/api/drill/run", "", ""),
    ("GET", "/api/drill", "", ""),
    ("POST", "/api/notify/test", "", ""),
    ("GET", "/api/notify", "", ""),
    ("POST", "/api/reload", "", ""),
];

const MAIL: &[Step] = &[
    ("GET", "/api/queue", "limit=5&skip=0&state=queued", ""),
    (
        "POST",
        "/api/queue/select",
        "",
        r#"{"selection":{"message":"MESSAGE"},"show":10}"#,
    ),
    (
        "POST",
        "/api/queue/perform",
        "",
        r#"{"deed":"retry","which":{"selection":{"message":"MESSAGE"}},"reason":"a test"}"#,
    ),
    ("GET", "/api/messages/{id=MESSAGE}", "", ""),
    ("GET", "/api/messages/{id=MESSAGE}/export", "", ""),
    ("GET", "/api/messages/{id=MESSAGE}/body", "", ""),
    ("GET", "/api/explain", "address=ann@example.org", ""),
    ("GET", "/api/trace", "of=ann@example.org&limit=5", ""),
    ("GET", "/api/cases", "final=false", ""),
    ("GET", "/api/cases/{id=CASE}", "", ""),
    (
        "POST",
        "/api/cases/{id=CASE}/release",
        "",
        r#"{"reason":"a test"}"#,
    ),
    (
        "POST",
        "/api/cases/{id=CASE}/bounce",
        "",
        r#"{"reason":"a test"}"#,
    ),
    (
        "POST",
        "/api/holds",
        "",
        r#"{"which":{"selection":{"domain":"example.org"}},"reason":"a test","seconds":3600}"#,
    ),
    ("GET", "/api/holds", "", ""),
    (
        "POST",
        "/api/holds/end",
        "",
        r#"{"which":{"selection":{"domain":"example.org"}}}"#,
    ),
];

const DIRECTORY: &[Step] = &[
    ("GET", "/api/directory", "address=ann@example.org", ""),
    ("GET", "/api/directory/entries", "limit=5", ""),
    ("GET", "/api/directory/export", "", ""),
    ("GET", "/api/directory/verified", "", ""),
    ("GET", "/api/directory/x500", "", ""),
    ("GET", "/api/directory/x500/used", "", ""),
    ("GET", "/api/directory/normalised", "", ""),
    ("GET", "/api/directory/status", "", ""),
    (
        "POST",
        "/api/directory/import",
        "source=hr&add=true&skip_bad=false&reason=&yes=true&dry_run=false",
        "address,name,home\ncarol@example.org,Carol,onprem\nann@example.org,Ann,cloud\n",
    ),
    ("GET", "/api/directory/conflicts", "", ""),
    (
        "POST",
        "/api/directory/settle",
        "",
        r#"{"address":"ann@example.org","home":"onprem"}"#,
    ),
    (
        "POST",
        "/api/directory/set",
        "",
        r#"{"address":"carol@example.org","home":"cloud","reason":"a test"}"#,
    ),
    ("GET", "/api/directory/generations", "", ""),
    ("GET", "/api/directory/diff", "from=1&to=3", ""),
    (
        "POST",
        "/api/directory/revert",
        "",
        r#"{"number":1,"yes":true}"#,
    ),
    (
        "POST",
        "/api/directory/forget",
        "",
        r#"{"address":"ann@example.org"}"#,
    ),
    ("POST", "/api/directory/sync", "", "{}"),
    ("POST", "/api/spool/verify", "", ""),
    ("GET", "/api/spool/verify", "", ""),
];

const MOVES: &[Step] = &[
    (
        "POST",
        "/api/moves/{domain=example.org}",
        "",
        r#"{"step":"start","reason":"a test","force":"yes"}"#,
    ),
    ("GET", "/api/moves", "", ""),
    (
        "POST",
        "/api/moves/{domain=example.org}",
        "",
        r#"{"step":"back-out","reason":"a test"}"#,
    ),
    ("POST", "/api/rehearse", "to=cloud", "ann@example.org\n"),
    (
        "POST",
        "/api/waves/plan",
        "name=floor&to=cloud",
        "ann@example.org\n",
    ),
    (
        "POST",
        "/api/waves/start",
        "name=floor&to=cloud&force=true&despite_drill=true",
        "ann@example.org\n",
    ),
    (
        "POST",
        "/api/waves/status",
        "name=floor",
        "ann@example.org\n",
    ),
    ("POST", "/api/waves/revert", "name=floor", ""),
    ("GET", "/api/waves", "", ""),
    ("POST", "/api/replays/plan", "to=cloud&unfinished=true", ""),
    ("POST", "/api/replays/{id=r1}/start", "", ""),
    ("POST", "/api/replays/{id=r1}/pause", "", ""),
    ("POST", "/api/replays/{id=r1}/resume", "reason=a%20test", ""),
    ("POST", "/api/replays/{id=r1}/stop", "", ""),
    ("GET", "/api/replays/{id=r1}", "", ""),
    ("GET", "/api/replays", "", ""),
    ("GET", "/api/landing", "", ""),
    (
        "POST",
        "/api/landing/check",
        "to=onprem&domain=example.org",
        "",
    ),
    ("POST", "/api/landing/missing/{name=x-0}/dismiss", "", ""),
    ("POST", "/api/writebacks/plan", "", ""),
    ("POST", "/api/writebacks/start", "", ""),
    ("GET", "/api/writebacks/last", "", ""),
    ("GET", "/api/writebacks/{id=w1}", "", ""),
    ("POST", "/api/writebacks/{id=w1}/stop", "", ""),
    ("GET", "/api/writebacks", "", ""),
];

const USERS: &[Step] = &[
    (
        "POST",
        "/api/users/invite",
        "",
        r#"{"address":"ann@example.org"}"#,
    ),
    (
        "POST",
        "/api/users/invitations",
        "",
        r#"{"addresses":["bob@example.org","nobody@example.org"]}"#,
    ),
    (
        "POST",
        "/api/users/reset",
        "",
        r#"{"address":"ann@example.org"}"#,
    ),
    (
        "POST",
        "/api/users/disable",
        "",
        r#"{"address":"ann@example.org"}"#,
    ),
    (
        "POST",
        "/api/users/confirm",
        "",
        r#"{"address":"ann@example.org"}"#,
    ),
    ("GET", "/api/users", "", ""),
    ("GET", "/api/users/coverage", "", ""),
    (
        "POST",
        "/api/webmail",
        "",
        r#"{"setting":"off","users":["ann@example.org"],"reason":"a test"}"#,
    ),
    ("GET", "/api/webmail", "address=ann@example.org", ""),
];

const DEVICES: &[Step] = &[
    (
        "POST",
        "/api/devices/add",
        "",
        r#"{"name":"fax","way":"listed","senders":["fax@example.org"],"networks":["192.0.2.7"],
            "recipients":["@partner.example"],"expires":"2027-03-01T00:00:00Z",
            "daily_recipients":100,"reason":"a test","dry_run":false}"#,
    ),
    ("GET", "/api/devices", "", ""),
    ("GET", "/api/devices/{name=fax}", "", ""),
    (
        "POST",
        "/api/devices/{name=fax}/renew",
        "",
        r#"{"daily_recipients":200}"#,
    ),
    ("POST", "/api/devices/{name=fax}/password", "", ""),
    ("POST", "/api/devices/{name=fax}/end", "", ""),
];

const ACCOUNTS: &[Step] = &[
    ("GET", "/api/report", "since=2020-01-01T00:00:00Z", ""),
    ("GET", "/api/report/rows", "since=2020-01-01T00:00:00Z", ""),
    ("GET", "/api/report/verify", "", ""),
    (
        "POST",
        "/api/report/verify/acknowledge",
        "",
        r#"{"reason":"a test"}"#,
    ),
    (
        "POST",
        "/api/operators/add",
        "",
        r#"{"name":"eve","role":"viewer"}"#,
    ),
    (
        "POST",
        "/api/operators/{name=zoe}/role",
        "",
        r#"{"role":"operator"}"#,
    ),
    ("POST", "/api/operators/{name=zoe}/reset", "", ""),
    (
        "POST",
        "/api/operators/{name=zoe}/tokens",
        "",
        r#"{"label":"a test"}"#,
    ),
    ("GET", "/api/operators/{name=ann}/tokens", "", ""),
    ("GET", "/api/operators/{name=zoe}/sessions", "", ""),
    ("POST", "/api/operators/{name=zoe}/sessions/end", "", "{}"),
    ("GET", "/api/me/sessions", "", ""),
    ("POST", "/api/me/sessions/end", "", "{}"),
    (
        "POST",
        "/api/operators/{name=ann}/tokens/revoke",
        "",
        r#"{"id":"SPARE"}"#,
    ),
    ("POST", "/api/operators/{name=zoe}/disable", "", ""),
    ("GET", "/api/operators", "", ""),
    ("GET", "/api/me", "", ""),
    ("GET", "/api/me/tokens", "", ""),
    ("POST", "/api/me/tokens", "", r#"{"label":"a test"}"#),
    ("POST", "/api/me/tokens/revoke", "", r#"{"id":"OWN"}"#),
    ("GET", "/api/audit", "limit=1000", ""),
];

/// What cannot be done on this server, and why.
const REFUSED: [(&str, u16, &str); 12] = [
    (
        "/api/keys/rsa",
        403,
        "a private key does not come over the network",
    ),
    ("/api/directory/sync", 404, "names no source"),
    ("/api/landing/check", 400, "imap"),
    (
        "/api/landing/missing/{name}/dismiss",
        404,
        "not on the list of missing mail",
    ),
    // Nobody has done anything in the webmail.
    ("/api/writebacks/{id}/stop", 400, "w1 is done"),
    (
        "/api/report/verify/acknowledge",
        400,
        "nothing that could be acknowledged",
    ),
    (
        "/api/operators/{name}/tokens",
        403,
        "everybody makes his own tokens only",
    ),
    (
        "/api/devices/{name}/password",
        400,
        "it is known by its address",
    ),
    ("/api/me/tokens", 403, "a token cannot make tokens"),
    ("/api/operators/add", 403, "with a token nobody makes"),
    (
        "/api/operators/{name}/role",
        403,
        "with a token nobody makes",
    ),
    (
        "/api/operators/{name}/reset",
        403,
        "with a token nobody makes",
    ),
];

/// `/api/x/{id=r1}` as the operation is called, and as it is asked.
fn named(path: &str) -> (String, String) {
    let Some((before, rest)) = path.split_once('{') else {
        return (path.to_owned(), path.to_owned());
    };
    let (variable, behind) = rest.split_once('}').unwrap();
    let (name, value) = variable.split_once('=').unwrap();
    (
        format!("{before}{{{name}}}{behind}"),
        format!("{before}{value}{behind}"),
    )
}

#[test]
fn answers_are_what_the_document_says() {
    let place = Place::open();
    let token = place.token("ann", "admin");
    place.token("zoe", "viewer");
    let (message, case) = place.found();
    let [spare, own] = ["spare", "own"].map(|label| {
        let made = place.verb(&["operator", "token", "add", "ann", label]);
        let listed = place.verb(&["operator", "token", "list", "ann"]).unwrap();
        let mut listed = listed.as_array().unwrap().clone().into_iter();
        let found = listed.find(|one| one["label"] == label);
        assert!(made.is_some());
        found.unwrap()["id"].as_str().unwrap().to_owned()
    });
    let document = place.get(&token, "/api/openapi.json").json();
    let operations = Described::all(&document);
    let mut left: BTreeSet<(String, String)> = operations
        .iter()
        .map(|one| (one.method.clone(), one.path.clone()))
        .collect();
    let steps = [STATE, MAIL, DIRECTORY, MOVES, USERS, DEVICES, ACCOUNTS].concat();
    for (method, path, query, body) in steps {
        let fill = |text: &str| {
            let text = text.replace("MESSAGE", &message).replace("CASE", &case);
            text.replace("SPARE", &spare).replace("OWN", &own)
        };
        let (name, path) = named(path);
        let target = format!("{}?{query}", fill(&path));
        if name == "/api/writebacks/{id}/stop" {
            eventually(SHORT, "it is done", || {
                let last = place.get(&token, "/api/writebacks/last").json();
                (last["state"] == "done").then_some(())
            });
        }
        let answer = match method {
            "GET" => place.get(&token, &target),
            _ => place.post(&token, &target, &fill(body)),
        };
        let mut refused = REFUSED.iter().filter(|_| method == "POST");
        let (status, why) = match refused.find(|(path, _, _)| *path == name) {
            Some((_, status, why)) => (*status, *why),
            None => (200, ""),
        };
        assert_eq!(answer.status, status, "{method} {target}: {answer:?}");
        assert!(answer.text.contains(why), "{method} {target}: {answer:?}");
        let mut operations = operations.iter();
        let operation = operations.find(|one| one.method == method && one.path == name);
        operation.unwrap().expect(&document, &answer);
        left.remove(&(method.to_owned(), name));
    }
    assert_eq!(left, BTreeSet::new(), "nobody asks for these here");
}
