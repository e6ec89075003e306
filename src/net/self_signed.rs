//! The pair that is made at the first start when the config names none: enough to encrypt with.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::server_pair::TlsFileError;

/// The pair in `directory`, made for `hostname` when it is not complete.
pub(super) fn ensure(directory: &Path, hostname: &str) -> Result<(PathBuf, PathBuf), TlsFileError> {
    let certificate = directory.join("self-signed.crt");
    let key = directory.join("self-signed.key");
    if !(certificate.exists() && key.exists()) {
        make(&certificate, &key, hostname)?;
        tracing::info!(certificate = %certificate.display(), "a self-signed certificate was made");
    }
    Ok((certificate, key))
}

/// A pair for `hostname` in one text: the private key, and the certificate behind it.
///
/// # Errors
/// [`TlsFileError::Hostname`].
pub fn self_signed_pem(hostname: &str) -> Result<String, TlsFileError> {
    let (certificate, key) = pair(hostname)?;
    Ok(key + &certificate)
}

/// A certificate and its key for `hostname`, PEM.
fn pair(hostname: &str) -> Result<(String, String), TlsFileError> {
    let unfit = |error: rcgen::Error| TlsFileError::Hostname {
        hostname: hostname.to_owned(),
        why: error.to_string(),
    };
    let mut parameters = rcgen::CertificateParams::new(vec![hostname.to_owned()]).map_err(unfit)?;
    parameters
        .distinguished_name
        .push(rcgen::DnType::CommonName, hostname);
    let pair = rcgen::KeyPair::generate().map_err(unfit)?;
    let made = parameters.self_signed(&pair).map_err(unfit)?;
    Ok((made.pem(), pair.serialize_pem()))
}

fn make(certificate: &Path, key: &Path, hostname: &str) -> Result<(), TlsFileError> {
    let (made, private) = pair(hostname)?;
    // The certificate goes first and comes last: whatever interrupts this, a key is never left
    // beside a certificate of another one.
    remove(certificate).map_err(|source| TlsFileError::Unwritable {
        path: certificate.to_owned(),
        source,
    })?;
    replace(key, &private, 0o600)?;
    replace(certificate, &made, 0o644)
}

fn replace(path: &Path, text: &str, mode: u32) -> Result<(), TlsFileError> {
    let unborn = path.with_extension("new");
    let write = || {
        remove(&unborn)?;
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&unborn)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&unborn, path)
    };
    write().map_err(|source| TlsFileError::Unwritable {
        path: path.to_owned(),
        source,
    })
}

fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
