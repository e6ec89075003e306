//! What stands in the folder: a pair is changed whole or not at all.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::{AcmeFiles, AcmeView, Memory};
use crate::base::Timestamp;
use crate::limits;
use crate::net::{TlsPairs, self_signed_pem};

const MX: &str = "mx.example.org";

/// A private key and a certificate for this host.
fn pair(host: &str) -> (String, String) {
    let text = self_signed_pem(host).unwrap();
    let at = text.find("-----BEGIN CERTIFICATE").unwrap();
    let (key, chain) = text.split_at(at);
    (key.to_owned(), chain.to_owned())
}

#[test]
fn a_pair_is_changed_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let files = AcmeFiles::new(folder.path());
    files.prepare(MX).unwrap();
    let read = || fs::read_to_string(files.pair()).unwrap();
    let mode = files.pair().metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(files.present().unwrap().is_self_signed);
    let first = read();
    files.prepare(MX).unwrap();
    assert_eq!(read(), first, "what can be used stays");

    let hosts = [MX.to_owned()];
    let (key, chain) = pair(MX);
    let (other_key, other_chain) = pair("mx.example.net");
    for (key, chain, what) in [
        (&key, &other_chain, "cannot be used together"),
        (&other_key, &other_chain, "it is not for mx.example.org"),
        (&key, &"junk".to_owned(), "holds no certificate"),
    ] {
        let error = files.put(&hosts, key, chain).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
        assert_eq!(read(), first, "{what}");
    }
    files.put(&hosts, &key, &chain).unwrap();
    let second = read();
    assert_ne!(second, first);
    assert_eq!(files.key().unwrap().trim(), key.trim());
    TlsPairs::load([(&*files.pair(), &*files.pair())]).unwrap();
    let left: Vec<_> = fs::read_dir(folder.path().join("acme")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");

    fs::write(files.pair(), "half a pai").unwrap();
    files.prepare(MX).unwrap();
    TlsPairs::load([(&*files.pair(), &*files.pair())]).unwrap();
}

#[test]
fn one_that_ends_soon_is_no_trouble_while_the_next_is_not_due() {
    let now: Timestamp = "2026-11-23T06:00:00Z".parse().unwrap();
    let hour = Duration::from_secs(3_600);
    let view = |next, failures, ends| AcmeView {
        directory: "https://ca.example".to_owned(),
        hosts: vec![MX.to_owned()],
        ends,
        next,
        tried: None,
        failures,
        what: String::new(),
    };
    let ends = Some(now.after(hour * 2));
    assert!(view(now.after(hour), 0, ends).is_on_track(now));
    assert!(!view(now, 0, ends).is_on_track(now), "it is due");
    assert!(!view(now.after(hour), 1, ends).is_on_track(now));
    assert!(!view(now.after(hour), 0, None).is_on_track(now));
}

#[test]
fn what_is_remembered_outlives_the_process_and_what_is_broken_is_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let files = AcmeFiles::new(folder.path());
    assert_eq!(files.memory(), Memory::default());
    let mut memory = Memory::default();
    let now: Timestamp = "2026-11-23T06:00:00Z".parse().unwrap();
    memory.failed(now, ("x".repeat(5_000).as_str(), Duration::from_secs(60)));
    files.remember(&memory).unwrap();
    assert_eq!(AcmeFiles::new(folder.path()).memory(), memory);
    assert_eq!(
        (memory.failure(), memory.what.len()),
        (Some((now, 1)), 1_000)
    );
    // An authority that would never be asked again is asked after all.
    memory.failed(now, ("later", Duration::MAX));
    assert_eq!(memory.wait_seconds, limits::ACME_LONGEST_WAIT.as_secs());
    fs::write(folder.path().join("acme/orders.json"), "{").unwrap();
    assert_eq!(files.memory(), Memory::default());
}
