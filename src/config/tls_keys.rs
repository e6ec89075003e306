//! The keys of `[tls]`: the certificates that are shown to who brings mail.

use std::path::PathBuf;

use super::acme_keys::Acme;
use super::reader::{At, Section, Source};
use super::sections::non_empty;
use super::verify::readable;
use super::{CertificateFiles, TlsFiles};
use crate::limits;
use crate::net::{TlsFileError, TlsPairs};

/// A certificate and its key.
pub(super) type Pair = (At<PathBuf>, At<PathBuf>);

/// `[tls]` as far as it can be read.
#[derive(Default)]
pub(super) struct Tls {
    /// For those who name no other host.
    first: Option<Pair>,
    more: Vec<Pair>,
}

pub(super) fn tls(root: &Section<'_>) -> Tls {
    let Some(section) = root.section("tls") else {
        return Tls::default();
    };
    let [certificate, key] = files(&section);
    if let (Some(present), None) | (None, Some(present)) = (&certificate, &key) {
        let what = "stands alone, expected certificate and key, or neither of them";
        section.source.refuse(present, what);
    }
    let mut more = Vec::new();
    for table in section.list("more") {
        let [certificate, key] = files(&table);
        for (name, file) in [("certificate", &certificate), ("key", &key)] {
            if file.is_none() && !table.has(name) {
                table.missing(name, "a PEM file");
            }
        }
        more.extend(certificate.zip(key));
        table.finish();
    }
    if let Some((certificate, _)) = more.get(limits::MORE_CERTIFICATES) {
        let most = limits::MORE_CERTIFICATES;
        let what = format!("is one too many, expected {most} at most: one can be for many hosts");
        section.source.refuse(certificate, what);
    }
    section.finish();
    let first = certificate.zip(key);
    Tls { first, more }
}

fn files(section: &Section<'_>) -> [Option<At<PathBuf>>; 2] {
    ["certificate", "key"].map(|name| {
        section.text(name, |text| {
            non_empty(text).map(|text| section.source.path(text))
        })
    })
}

impl Tls {
    /// The files are there, make pairs that TLS can use, and are for somebody.
    pub(super) fn check_files(&self, source: &Source<'_>, made: Option<&Acme>) {
        if let Some(made) = made {
            made.check_files(source);
        }
        match (&self.first, self.more.first()) {
            (None, _) if made.is_some() => {}
            (Some(first), _) => drop(pair(source, first)),
            (None, Some((certificate, _))) => {
                let what = "has no certificate of [tls] beside it, expected one for those who \
                            name no host";
                source.refuse(certificate, what);
            }
            (None, None) => {}
        }
        for (certificate, key) in &self.more {
            let Some(pairs) = pair(source, &(certificate.clone(), key.clone())) else {
                continue;
            };
            if pairs.states().iter().all(|state| state.names.is_empty()) {
                let what = "names no host: nobody would see it, expected a subjectAltName";
                source.refuse(certificate, what);
            }
        }
    }

    /// The certificate that is named for those who name no other host.
    pub(super) fn first(&self) -> Option<&At<PathBuf>> {
        self.first.as_ref().map(|(certificate, _)| certificate)
    }

    /// As the server uses them; `made`: the pair that an authority makes for us, in one file.
    pub(super) fn config(self, made: Option<PathBuf>) -> Option<TlsFiles> {
        let more = self.more.into_iter().map(CertificateFiles::of);
        let made = made.map(|pair| CertificateFiles {
            certificate: pair.clone(),
            key: pair,
        });
        Some(TlsFiles {
            first: self.first.map(CertificateFiles::of).or(made)?,
            more: more.collect(),
        })
    }
}

/// Both files are there and make a pair that TLS can use.
pub(super) fn pair(source: &Source<'_>, (certificate, key): &Pair) -> Option<TlsPairs> {
    let there = [certificate, key].map(|file| readable(source, file));
    if there.contains(&false) {
        return None;
    }
    let pairs = TlsPairs::load([(&*certificate.value, &*key.value)]);
    pairs
        .map_err(|error| source.refuse(certificate, error.to_string()))
        .ok()
}

impl CertificateFiles {
    pub(super) fn of((certificate, key): Pair) -> Self {
        Self {
            certificate: certificate.value,
            key: key.value,
        }
    }
}

impl TlsFiles {
    /// Reads all of them.
    ///
    /// # Errors
    /// [`TlsFileError`] of the first one that cannot be used.
    pub fn load(&self) -> Result<TlsPairs, TlsFileError> {
        let all = [&self.first].into_iter().chain(&self.more);
        let paths = |it: &CertificateFiles| (it.certificate.clone(), it.key.clone());
        let all: Vec<_> = all.map(paths).collect();
        let borrowed = all.iter();
        TlsPairs::load(borrowed.map(|(certificate, key)| (certificate.as_path(), key.as_path())))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Config, load, read};
    use crate::net::TlsServer;

    const REST: &str = "[[listener]]\nbind = \"127.0.0.1:2525\"\n[backend.a]\n\
        hosts = [\"192.0.2.1:25\"]\n[domain.\"example.org\"]\nhome = \"a\"\nunknown = \"relay\"\n";

    fn told(folder: &Path, tls: &str) -> Result<Config, String> {
        let file = folder.join("tideover.toml");
        let text = format!("[server]\nhostname = \"mx.example.org\"\n{tls}\n{REST}");
        std::fs::write(&file, text).unwrap();
        let told = load(&file).map_err(|problems| problems.to_string());
        // Files are another matter than what the file says.
        assert!(told.is_err() || read(&file).is_ok());
        told
    }

    #[test]
    fn more_certificates_stand_beside_the_first_and_are_for_somebody() {
        let folder = tempfile::tempdir().unwrap();
        for (place, host) in [("a", "mx.example.org"), ("b", "mx.example.net")] {
            let place = folder.path().join(place);
            std::fs::create_dir(&place).unwrap();
            TlsServer::self_signed(&place, host).unwrap();
        }
        let bare = rcgen::CertificateParams::new(Vec::new()).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = bare.self_signed(&key).unwrap().pem();
        std::fs::write(folder.path().join("bare.crt"), pem).unwrap();
        std::fs::write(folder.path().join("bare.key"), key.serialize_pem()).unwrap();

        let files = |place: &str| format!("certificate = \"{place}.crt\"\nkey = \"{place}.key\"\n");
        let first = format!("[tls]\n{}", files("a/self-signed"));
        let more = |place: &str| format!("[[tls.more]]\n{}", files(place));
        let good = told(folder.path(), &(first.clone() + &more("b/self-signed")));
        let tls = good.unwrap().tls.unwrap();
        assert_eq!((tls.more.len(), tls.load().unwrap().states().len()), (1, 2));
        let many = more("b/self-signed").repeat(limits() + 1);
        for (tls, what) in [
            (
                more("b/self-signed"),
                "tls.more.certificate: has no certificate of [tls]",
            ),
            (
                first.clone() + &more("bare"),
                "tls.more.certificate: names no host",
            ),
            (first.clone() + &more("gone"), "gone.crt cannot be read"),
            (
                first.clone() + "[[tls.more]]\nkey = \"b/self-signed.key\"\n",
                "tls.more.certificate: is missing",
            ),
            (
                first.clone() + &more("bare").replace("bare.key", "b/self-signed.key"),
                "cannot be used together",
            ),
            (first.clone() + &many, "is one too many"),
        ] {
            let told = told(folder.path(), &tls).unwrap_err();
            assert!(told.contains(what), "{told}");
        }
    }

    #[test]
    fn a_certificate_that_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["junk.crt", "junk.key"] {
            std::fs::write(folder.path().join(name), "junk").unwrap();
        }
        let tls = "[tls]\ncertificate = \"junk.crt\"\nkey = \"junk.key\"\n";
        let told = told(folder.path(), tls).unwrap_err();
        assert!(told.contains("holds no certificate"), "{told}");
    }

    const fn limits() -> usize {
        crate::limits::MORE_CERTIFICATES
    }
}
