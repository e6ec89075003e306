//! `[notices]`: who is told of trouble, and how.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::platforms::host_and_port;
use super::reader::{At, Section, Source};
use super::sections::{mailbox, non_empty, set};
use super::units::duration;
use super::{Config, Problem, verify};
use crate::limits;
use crate::net::HttpPlace;
use crate::notice::{Address, Options, Pace, Patience, Thresholds, Webhook};

const HOUR: Duration = Duration::from_secs(3600);
const KEY: &str = "notices.addresses";

/// `[notices]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticesConfig {
    /// All of it but our own name.
    pub options: Options,
    /// The line of the addresses.
    pub line: usize,
}

/// `[notices]`, and the files that it names.
pub(super) struct Notices {
    pub(super) config: NoticesConfig,
    pub(super) files: Vec<At<PathBuf>>,
    program: Option<At<PathBuf>>,
}

fn usual() -> Options {
    Options {
        hostname: String::new(),
        addresses: Vec::new(),
        relay: None,
        webhook: None,
        command: Vec::new(),
        thresholds: Thresholds::default(),
        pace: Pace {
            gather: Duration::from_secs(60),
            repeat: Some(HOUR * 12),
            per_hour: 12,
            kind_per_hour: 4,
        },
        patience: Patience::default(),
    }
}

pub(super) fn notices(root: &Section<'_>) -> Notices {
    let mut options = usual();
    let (mut files, mut line, mut program) = (Vec::new(), 0, None);
    if let Some(section) = root.section("notices") {
        if let Some(addresses) = section.texts("addresses", mailbox) {
            line = addresses.line;
            if addresses.value.len() > limits::NOTICE_ADDRESSES {
                let most = limits::NOTICE_ADDRESSES;
                let what = format!("has too many addresses, expected {most} or fewer");
                section.source.refuse(&addresses, what);
            }
            options.addresses = addresses.value.into_iter().map(|at| at.value).collect();
        }
        options.relay = section.text("relay", host_and_port).map(|at| at.value);
        options.webhook = webhook(&section, &mut files);
        if let Some(command) = section.program("command") {
            program = the_program(section.source, &command);
            options.command = command.value.into_iter().map(|at| at.value).collect();
        }
        timing(&section, &mut options);
        section.finish();
    }
    Notices {
        config: NoticesConfig { options, line },
        files,
        program,
    }
}

fn webhook(section: &Section<'_>, files: &mut Vec<At<PathBuf>>) -> Option<Webhook> {
    let here = section.secret("webhook", |text| {
        // Not the address itself in the message: it is often a secret.
        let place = HttpPlace::of_https_or_local(text);
        place.map(|_| text.to_owned()).ok_or_else(|| {
            let authority = text.split("://").nth(1).and_then(|it| it.split('/').next());
            let what = if authority.is_some_and(|it| it.contains('@')) {
                "has a name or a password before its host, expected an https:// address without \
                 (webhook_secret_file signs what is sent)"
            } else {
                "is no https:// address, expected one (http:// only to this machine)"
            };
            what.to_owned()
        })
    });
    let path = |text: &str| {
        if text.contains("://") {
            return Err("is an address, expected a file".to_owned());
        }
        non_empty(text).map(|text| section.source.path(text))
    };
    let mut file = |name| {
        let file = section.text(name, path)?;
        files.push(file.clone());
        Some(file)
    };
    let (inside, secret) = (file("webhook_file"), file("webhook_secret_file"));
    let authorities = file("webhook_authorities");
    if let (Some(_), Some(inside)) = (&here, &inside) {
        let what = "is there beside notices.webhook, expected one of them";
        section.source.refuse(inside, what);
    }
    let inside = inside.map(|at| Address::In(at.value));
    let address = here.map(|at| Address::Here(at.value)).or(inside);
    if address.is_none() {
        let what = "is for nothing, expected it beside webhook or webhook_file";
        for file in [&secret, &authorities].into_iter().flatten() {
            section.source.refuse(file, what);
        }
    }
    Some(Webhook {
        address: address?,
        secret_file: secret.map(|at| at.value),
        authorities: authorities.map(|at| at.value),
    })
}

/// The program itself; no shell and no search path stand between it and us.
fn the_program(source: &Source<'_>, command: &At<Vec<At<String>>>) -> Option<At<PathBuf>> {
    let first = command.value.first()?;
    let program = At {
        value: PathBuf::from(&first.value),
        line: first.line,
        key: first.key.clone(),
    };
    if program.value.is_absolute() {
        return Some(program);
    }
    // Not what stands there: it may be a whole command line with a secret in it.
    let what = "is no whole path, expected for example [\"/usr/local/bin/page\", \"--urgent\"]";
    source.refuse(&program, what);
    None
}

fn timing(section: &Section<'_>, options: &mut Options) {
    let some = |text: &str| match duration(text)? {
        Duration::ZERO => Err("is too short, expected 1s or more".to_owned()),
        some => Ok(some),
    };
    let within = |most: Duration| {
        move |text: &str| match duration(text)? {
            long if long > most => {
                let most = most.as_secs();
                Err(format!("\"{text}\" is too long, expected {most}s or less"))
            }
            length => Ok(length),
        }
    };
    let Thresholds {
        waiting,
        certificate,
        disk,
    } = &mut options.thresholds;
    set(waiting, section.text("waiting_after", some));
    set(certificate, section.text("certificate_before", duration));
    set(disk, section.text("disk_before", duration));
    let pace = &mut options.pace;
    let gather = section.text("gather", within(HOUR));
    set(&mut pace.gather, gather);
    let repeat = section.text("repeat", |text| match text {
        "never" => Ok(None),
        text => some(text).map(Some),
    });
    set(&mut pace.repeat, repeat);
    set(&mut pace.per_hour, section.number("per_hour", 1, 1_000));
    let of_kind = section.number("kind_per_hour", 1, 1_000);
    set(&mut pace.kind_per_hour, of_kind);
    let patience = section.text("patience", |text| {
        some(text).and_then(|_| within(Duration::from_secs(300))(text))
    });
    set(&mut options.patience.each, patience);
}

impl Notices {
    /// The files are there, and the program can be begun.
    pub(super) fn check_files(&self, source: &Source<'_>) {
        for file in &self.files {
            verify::readable(source, file);
        }
        let Some(program) = &self.program else { return };
        if verify::is_there(source, program) && !is_executable(&program.value) {
            let what = format!("{} cannot be executed", program.value.display());
            source.refuse(program, what);
        }
    }
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = path.metadata().map(|found| found.permissions().mode());
    mode.is_ok_and(|mode| mode & 0o111 != 0)
}

impl Config {
    /// The options of the room `notice`.
    #[must_use]
    pub fn notice_options(&self) -> Options {
        Options {
            hostname: self.server.hostname.to_string(),
            ..self.notices.options.clone()
        }
    }

    /// What is possible and unwise: said by `check`, at the start and at a reload; nobody refuses
    /// it.
    #[must_use]
    pub fn warnings(&self) -> Vec<Problem> {
        let options = &self.notices.options;
        let mut warnings = self.automatic_warnings();
        warnings.extend(self.submission_warning());
        warnings.extend(self.policy_warnings());
        for address in &options.addresses {
            let domain = address.domain().key();
            let Some(ours) = self.domains.iter().find(|rule| rule.name == domain) else {
                continue;
            };
            let others = options.addresses.iter().filter(|other| {
                let domain = other.domain().key();
                !self.domains.iter().any(|rule| rule.name == domain)
            });
            let is_alone =
                others.count() == 0 && options.webhook.is_none() && options.command.is_empty();
            let alone = if is_alone {
                "; nobody else is told"
            } else {
                ""
            };
            let home = &ours.home;
            warnings.push(Problem {
                file: self.file.clone(),
                line: self.notices.line,
                key: KEY.to_owned(),
                what: format!(
                    "{address} lives on {home}, a platform of this server: while {home} is down \
                     nobody reads there that it is, expected an address elsewhere{alone}"
                ),
            });
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Problems};

    fn read(notices: &str) -> Result<Config, Problems> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tideover.toml");
        let text = format!(
            "[server]\nhostname = \"mx.example.org\"\n[[listener]]\nbind = \"127.0.0.1:2525\"\n\
             [backend.onprem]\nhosts = [\"127.0.0.1:2601\"]\n[domain.\"example.org\"]\n\
             home = \"onprem\"\nunknown = \"relay\"\n[notices]\n{notices}\n"
        );
        std::fs::write(&file, text).unwrap();
        crate::config::check(&file).map(|(config, _)| config)
    }

    #[test]
    fn what_would_reach_nobody_is_refused() {
        for (text, expected) in [
            ("addresses = [\"ops\"]", "has no domain"),
            ("relay = \"mail.example.net\"", "is no host and port"),
            (
                "webhook = \"http://hooks.example/s3cret\"",
                "no https:// address",
            ),
            ("webhook_file = \"absent\"", "cannot be read"),
            ("webhook_secret_file = \"tideover.toml\"", "is for nothing"),
            (
                "webhook = \"https://a.example\"\nwebhook_file = \"tideover.toml\"",
                "expected one of them",
            ),
            ("command = [\"page\"]", "is no whole path"),
            ("command = [\"/absent/page\"]", "cannot be read"),
            ("command = [\"/etc/passwd\"]", "cannot be executed"),
            ("repeat = \"0s\"", "too short"),
            ("gather = \"2h\"", "too long"),
            ("per_hour = 0", "out of range"),
            ("patience = \"10m\"", "too long"),
        ] {
            let told = read(text).unwrap_err().to_string();
            assert!(told.contains(expected), "{text}: {told}");
            assert!(!told.contains("s3cret"), "{told}");
        }
        let many: Vec<_> = (0..11).map(|n| format!("\"a{n}@example.net\"")).collect();
        let told = read(&format!("addresses = [{}]", many.join(","))).unwrap_err();
        assert!(told.to_string().contains("too many addresses"), "{told}");
    }

    #[test]
    fn an_address_behind_a_platform_of_ours_is_warned_of() {
        let config = read("addresses = [\"ops@example.net\", \"ann@EXAMPLE.org\"]").unwrap();
        let warnings = config.warnings();
        assert_eq!(warnings.len(), 1);
        let told = warnings[0].to_string();
        assert!(told.contains("ann@EXAMPLE.org lives on onprem"), "{told}");
        assert!(told.contains(":11: notices.addresses"), "{told}");
        assert!(!told.contains("nobody else"), "{told}");
        let alone = read("addresses = [\"ann@example.org\"]").unwrap();
        assert!(alone.warnings()[0].what.ends_with("nobody else is told"));
        assert!(read("repeat = \"never\"").unwrap().warnings().is_empty());
    }
}
