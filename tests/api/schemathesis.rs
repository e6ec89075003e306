//! schemathesis asks what nobody thought of, and holds each answer against the document.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::document::Described;
use crate::place::{Place, bearer};

/// What is looked at. Not whether all is accepted that the schemas allow: what is allowed may name
/// somebody who is not there. What follows from one another is in story.rs.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance,response_headers_conformance,\
                      negative_data_rejection,missing_required_header,unsupported_method,\
                      allow_header_conformance,ignored_auth";

/// Where it is, unless somebody has said that it is left out.
fn program() -> Option<PathBuf> {
    let said = std::env::var_os("TIDEOVER_SCHEMATHESIS");
    if said.as_ref().is_some_and(|said| said == "none") {
        return None;
    }
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/schemathesis/bin/schemathesis");
    let program = said.map_or(ours, PathBuf::from);
    assert!(
        program.is_file(),
        "{} is not there. tests/run installs it; by hand: python3 -m venv target/schemathesis && \
         target/schemathesis/bin/pip install -r tests/api/requirements.txt. \
         TIDEOVER_SCHEMATHESIS names another place, or says none: then this test is left out",
        program.display()
    );
    Some(program)
}

/// Half of what is asked is about what is there.
fn write_known(place: &Place) {
    let (message, case) = place.found();
    let known = format!(
        "[dictionaries.known]\n\
         values = [\"{message}\", \"{case}\", \"ann@example.org\", \"example.org\", \"onprem\", \
         \"cloud\", \"zoe\", \"r1\", \"w1\", \"1h\"]\n\
         [generation.dictionaries]\n\
         string = {{ dictionary = \"known\", probability = 0.5 }}\n"
    );
    std::fs::write(place.folder().join("schemathesis.toml"), known).unwrap();
}

/// With what it learns from other answers it could shut out who asks: these are asked by
/// themselves.
const SHUTS_OUT: [&str; 5] = [
    "/api/operators/{name}/disable",
    "/api/operators/{name}/reset",
    "/api/operators/{name}/role",
    "/api/operators/{name}/tokens/revoke",
    "/api/me/tokens/revoke",
];

#[test]
#[expect(
    clippy::print_stderr,
    reason = "who reads the test's output wants to know"
)]
fn schemathesis_finds_nothing() {
    let Some(program) = program() else {
        eprintln!("LEFT OUT, as TIDEOVER_SCHEMATHESIS says: schemathesis has asked nothing");
        return;
    };
    let place = Place::open();
    let token = place.token("ann", "admin");
    place.token("zoe", "viewer");
    write_known(&place);
    let document = place.get(&token, "/api/openapi.json").json();
    let all = Described::all(&document).len();
    // Asked for over HTTP the document would be left out itself.
    std::fs::write(place.folder().join("openapi.json"), document.to_string()).unwrap();
    for (choice, expected) in [
        ("--exclude-path", all - SHUTS_OUT.len()),
        ("--include-path", SHUTS_OUT.len()),
    ] {
        let output = Command::new(&program)
            .current_dir(place.folder())
            .args(["run", "openapi.json", "--url"])
            .arg(format!("http://{}", place.admin))
            .args(["--header", &bearer(&token)])
            .args(["--checks", CHECKS, "--phases", "examples,coverage,fuzzing"])
            // The same questions each time.
            .args(["--generation-deterministic", "--max-examples", "20"])
            .args(["--continue-on-failure", "--request-timeout", "60"])
            .args(["--suppress-health-check", "all"])
            .args(["--warnings", "off", "--no-color"])
            .args(SHUTS_OUT.iter().flat_map(|path| [choice, path]))
            .output()
            .unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{told}\n{errors}");
        // It is good only of what was asked, by somebody who was let in to the end.
        let is_whole = told.contains(&format!("Tested: {expected}\n"));
        assert!(is_whole, "not {expected} operations: {told}");
        assert_eq!(place.get(&token, "/api/me").status, 200, "{choice}");
    }
}
