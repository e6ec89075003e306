//! `[admin]`: the operators' door over TCP.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::reader::{At, Section, Source};
use super::sections::{base_url, bind, non_empty, not_one_of, set};
use super::tls_keys::{Pair, pair};
use super::units::duration;
use super::{AdminConfig, CertificateFiles};
use crate::admin::{AuditOptions, LoginOptions, Peer, ReasonRule, SecondStepRule};

/// Shorter sessions would end while somebody reads.
const SHORTEST: Duration = Duration::from_secs(60);
/// Longer ones are tokens.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

/// `[admin]` as far as it can be read.
pub(super) struct Admin {
    pub(super) bind: Option<At<SocketAddr>>,
    files: Option<Pair>,
    base_url: Option<String>,
    peer: Peer,
    login: LoginOptions,
    audit: AuditOptions,
}

impl Admin {
    /// `None` when the address is missing; the source knows.
    pub(super) fn config(self) -> Option<AdminConfig> {
        Some(AdminConfig {
            bind: self.bind?.value,
            certificate: self.files.map(CertificateFiles::of),
            base_url: self.base_url,
            peer: self.peer,
            login: self.login,
            audit: self.audit,
        })
    }
}

/// Without its files mail is taken all the same.
pub(super) fn check_files(source: &Source<'_>, admin: Option<&Admin>) {
    if let Some(files) = admin.and_then(|admin| admin.files.as_ref()) {
        pair(source, files);
    }
}

pub(super) fn admin(root: &Section<'_>) -> Option<Admin> {
    let section = root.section("admin")?;
    let peer = section.text("proxy", |text| match text {
        "none" => Ok(Peer::Direct),
        "forwarded-for" => Ok(Peer::ForwardedFor),
        _ => Err(not_one_of(text, "none, forwarded-for")),
    });
    let second_step = section.text("second_step", |text| match text {
        "optional" => Ok(SecondStepRule::Optional),
        "required" => Ok(SecondStepRule::Required),
        _ => Err(not_one_of(text, "optional, required")),
    });
    let mut login = LoginOptions::default();
    set(&mut login.idle, section.text("session_idle", life));
    set(&mut login.life, section.text("session_life", life));
    set(&mut login.second_step, second_step);
    let mut audit = AuditOptions::default();
    set(&mut audit.keep, section.text("audit_keep", kept));
    if section.switch("require_reason").is_some_and(|at| at.value) {
        audit.reason = ReasonRule::Required;
    }
    let admin = Admin {
        bind: bind(&section),
        files: files(&section),
        base_url: section.text("base_url", base_url).map(|at| at.value),
        peer: peer.map(|at| at.value).unwrap_or_default(),
        login,
        audit,
    };
    section.finish();
    Some(admin)
}

/// Both files or none.
fn files(section: &Section<'_>) -> Option<(At<PathBuf>, At<PathBuf>)> {
    let path = |text: &str| non_empty(text).map(|text| section.source.path(text));
    let certificate = section.text("certificate", path);
    let key = section.text("key", path);
    if let (Some(present), None) | (None, Some(present)) = (&certificate, &key) {
        let what = "stands alone, expected certificate and key, or neither of them";
        section.source.refuse(present, what);
    }
    certificate.zip(key)
}

fn life(text: &str) -> Result<Duration, String> {
    let life = duration(text)?;
    if (SHORTEST..=LONGEST).contains(&life) {
        return Ok(life);
    }
    Err(format!(
        "\"{text}\" is no length of a session, expected 1m to 7d"
    ))
}

fn kept(text: &str) -> Result<Duration, String> {
    let kept = duration(text)?;
    if kept < Duration::from_secs(86_400) {
        return Err(format!("\"{text}\" is too short, expected 1d or more"));
    }
    Ok(kept)
}
