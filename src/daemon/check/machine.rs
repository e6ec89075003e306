//! What a check warns of that is not in the file, but on this machine, now: certificates that end,
//! and a disk on which no mail would be taken.

use std::collections::BTreeSet;
use std::path::Path;

use crate::base::Timestamp;
use crate::config::{Config, Problem};
use crate::net::{AuthoritiesState, ClientAuthorities, TlsServer};
use crate::spool::{World, kept_free};
use crate::terminal::{bytes, duration};

/// What is wrong here and now, and does not keep the server from starting.
pub(super) fn of_this_machine(config: &Config, now: Timestamp) -> Vec<Problem> {
    let warning = |key: &str, what: String| Problem {
        file: config.file.clone(),
        line: 0,
        key: key.to_owned(),
        what,
    };
    let mut warnings: Vec<Problem> = certificates(config, now)
        .map(|(key, what)| warning(key, what))
        .collect();
    warnings.extend(orders(config).map(|what| warning("acme", what)));
    warnings.extend(room(config).map(|what| warning("spool.min_free", what)));
    warnings
}

/// What to do about a file that ends.
const PUT: &str = "put a new one there";

/// Certificates that have ended, or end within `notices.certificate_before`.
fn certificates(config: &Config, now: Timestamp) -> impl Iterator<Item = (&'static str, String)> {
    let before = config.notices.options.thresholds.certificate;
    let pairs = config.tls.as_ref().and_then(|files| files.load().ok());
    let mut mail = pairs.map(|pairs| pairs.states()).unwrap_or_default();
    if config.acme_view().is_some_and(|it| it.is_on_track(now)) {
        let made = config.tls.as_ref().map(|files| &files.first.certificate);
        mail.retain(|state| Some(&state.file) != made);
    }
    let door = config.admin.as_ref().and_then(|it| it.certificate.as_ref());
    let door = door.and_then(|files| TlsServer::load(&files.certificate, &files.key).ok());
    let door = door.map(|door| door.states()).unwrap_or_default();
    let mail = mail.into_iter().map(|state| ("tls.certificate", state));
    let door = door.into_iter().map(|state| ("admin.certificate", state));
    let made = config.acme_view().is_some();
    let made = made.then(|| crate::acme::pair_file(&config.server.data_dir));
    let own = mail.chain(door).map(move |(key, state)| {
        let what = format!("the certificate {}", state.file.display());
        let todo = if made.as_ref() == Some(&state.file) {
            "its authority has made no other one: `tideover tls certificates`"
        } else {
            PUT
        };
        (key, what, state.ends, (before, todo))
    });
    let authorities = client_authorities(config)
        .into_iter()
        .flat_map(move |state| {
            let what = format!("the last authority of clients in {}", state.file.display());
            let lists = state.lists.into_iter().map(move |list| {
                let (issuer, file) = (&list.issuer, list.file.display());
                let what = format!("the list of what {issuer} has revoked, {file},");
                let before = (list.before(before), PUT);
                ("listener.client_crl", what, list.ends, before)
            });
            let authorities = ("listener.client_ca", what, state.ends, (before, PUT));
            [authorities].into_iter().chain(lists)
        });
    let all = own.chain(authorities);
    all.filter_map(move |(key, what, ends, (before, todo))| {
        let ends = ends?;
        if ends <= now {
            let what = format!("{what} has ended on {ends}: {todo}");
            return Some((key, what));
        }
        (ends.before(before) <= now).then(|| {
            let left = duration(ends.since(now));
            (key, format!("{what} ends in {left}: {todo}"))
        })
    })
}

/// An authority that makes no certificate.
fn orders(config: &Config) -> Option<String> {
    let acme = config.acme_view().filter(|it| it.failures > 0)?;
    let (times, hosts) = (acme.failures, acme.hosts.join(", "));
    Some(format!(
        "no certificate was made for {hosts} (orders that failed: {times}): {}; each of them leads \
         here, port 80 to acme.bind?",
        acme.what
    ))
}

/// From which certificates of clients come; read just now.
pub(super) fn client_authorities(config: &Config) -> BTreeSet<AuthoritiesState> {
    let listeners = config.listeners.iter();
    let files = listeners.filter_map(|one| one.client_ca.as_ref());
    let read = files.filter_map(|files| ClientAuthorities::load(files).ok());
    read.map(|it| it.state()).collect()
}

/// A disk with less room than is to be kept free.
fn room(config: &Config) -> Option<String> {
    let place = existing(&config.server.data_dir)?;
    // A disk that cannot be asked is told of at the start.
    let free = World::system().disk.free_bytes(place).ok()?;
    let kept = kept_free(config.spool.min_free);
    (free < kept).then(|| {
        format!(
            "{} are kept free, and {} has {} free: all mail would be refused (452)",
            bytes(kept),
            place.display(),
            bytes(free)
        )
    })
}

/// The folder, or the one in which it will be made.
fn existing(data_dir: &Path) -> Option<&Path> {
    data_dir.ancestors().find(|place| place.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    #[test]
    fn what_is_wrong_on_this_machine_is_told() {
        let folder = tempfile::tempdir().unwrap();
        TlsServer::self_signed(folder.path(), "mx.example.org").unwrap();
        let file = folder.path().join("tideover.toml");
        let config = |spool: &str| {
            let text = format!(
                "[server]\nhostname = \"mx.example.org\"\ndata_dir = \"not/yet\"\n\
                 [tls]\ncertificate = \"self-signed.crt\"\nkey = \"self-signed.key\"\n{spool}\
                 [admin]\nbind = \"127.0.0.1:8026\"\ncertificate = \"self-signed.crt\"\n\
                 key = \"self-signed.key\"\n\
                 [[listener]]\nbind = \"127.0.0.1:2525\"\nclient_ca = \"self-signed.crt\"\n\
                 [backend.a]\nhosts = [\"192.0.2.1:25\"]\n\
                 [domain.\"example.org\"]\nhome = \"a\"\nunknown = \"relay\"\n"
            );
            std::fs::write(&file, text).unwrap();
            load(&file).unwrap()
        };
        let good = config("[spool]\nmin_free = \"1B\"\n");
        let told = |config: &Config, now| -> Vec<String> {
            let warnings = of_this_machine(config, now).into_iter();
            warnings.map(|it| it.what).collect()
        };
        let ends = good.tls.as_ref().unwrap().load().unwrap().states()[0]
            .ends
            .unwrap();
        let day = std::time::Duration::from_secs(86_400);
        assert_eq!(told(&good, ends.before(day * 22)), Vec::<String>::new());
        let soon = told(&good, ends.before(day));
        assert!(soon[0].contains("ends in 24 h"), "{soon:?}");
        let over = told(&good, ends);
        // That of the listeners, that of the operators' door, and the authority of clients.
        assert_eq!(over.len(), 3);
        assert!(
            over.iter().all(|it| it.contains("has ended on")),
            "{over:?}"
        );
        let full = config("[spool]\nmin_free = \"900TiB\"\n");
        let full = told(&full, ends.before(day * 22));
        assert!(full[0].contains("all mail would be refused"), "{full:?}");
    }

    /// A pair for this host that an authority has made.
    fn made_by_an_authority(host: &str) -> String {
        use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = rcgen::DnType::CommonName;
        params.distinguished_name.push(name, "An authority");
        let issuer = Issuer::new(params, KeyPair::generate().unwrap());
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 2, 20);
        params.not_after = rcgen::date_time_ymd(2026, 3, 15);
        let key = KeyPair::generate().unwrap();
        key.serialize_pem() + &params.signed_by(&key, &issuer).unwrap().pem()
    }

    /// One that ends soon is renewed by itself, as long as that goes.
    #[test]
    fn what_an_authority_makes_is_told_of_when_it_makes_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tideover.toml");
        let text = "[server]\nhostname = \"mx.example.org\"\n[spool]\nmin_free = \"1B\"\n\
                    [acme]\nbind = \"127.0.0.1:80\"\nagree_to_terms = true\n\
                    [[listener]]\nbind = \"127.0.0.1:2525\"\n\
                    [backend.a]\nhosts = [\"192.0.2.1:25\"]\n\
                    [domain.\"example.org\"]\nhome = \"a\"\nunknown = \"relay\"\n";
        std::fs::write(&file, text).unwrap();
        let config = load(&file).unwrap();
        let place = config.server.data_dir.join("acme");
        std::fs::create_dir_all(&place).unwrap();
        let pair = made_by_an_authority("mx.example.org");
        std::fs::write(place.join("certificate.pem"), pair).unwrap();
        let now = "2026-03-01T00:00:00Z".parse().unwrap();
        let told = || {
            let warnings = of_this_machine(&config, now).into_iter();
            warnings.map(|it| it.what).collect::<Vec<_>>()
        };
        assert_eq!(told(), Vec::<String>::new());
        let orders = r#"{"tried":"2026-02-28T00:00:00Z","failures":2,"what":"it says no"}"#;
        std::fs::write(place.join("orders.json"), orders).unwrap();
        let told = told();
        assert!(told[0].contains("ends in 14 days"), "{told:?}");
        let failed = "for mx.example.org (orders that failed: 2): it says no";
        assert!(told[1].contains(failed), "{told:?}");
    }
}
