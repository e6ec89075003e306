//! `setup`: what the administrator of a platform has to do.

use std::net::IpAddr;
use std::path::Path;

use clap::{Args, ValueEnum};

use super::intent::Format;
use super::render::Page;
use super::{Exit, Failure, home, print};
use crate::base::Clock;
use crate::config::{BackendConfig, Config};
use crate::cutover::sheet::{Sheet, SheetKind, Step, sheet};
use crate::net::{Dns, Resolve as _, is_public};
use crate::terminal::{Palette, Tone};

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct SetupArgs {
    /// What it is
    #[arg(value_name = "PLATFORM")]
    platform: PlatformArg,
    /// Which backend it is [default: the one whose hosts look like it]
    #[arg(long, value_name = "NAME")]
    backend: Option<String>,
    /// An address from which the platform sees this server; as often as needed [default: the
    /// public ones that it listens on, else those that the DNS knows for server.hostname]
    #[arg(long, value_name = "ADDRESS")]
    address: Vec<IpAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PlatformArg {
    ExchangeOnline,
    Google,
    Exchange,
    Postfix,
}

impl From<PlatformArg> for SheetKind {
    fn from(platform: PlatformArg) -> Self {
        match platform {
            PlatformArg::ExchangeOnline => Self::ExchangeOnline,
            PlatformArg::Google => Self::Google,
            PlatformArg::Exchange => Self::Exchange,
            PlatformArg::Postfix => Self::Postfix,
        }
    }
}

pub(super) async fn perform(
    config: Option<&Path>,
    args: SetupArgs,
    format: Format,
) -> Result<(), Failure> {
    let config = home::config(config)?;
    let kind = SheetKind::from(args.platform);
    let backend = backend(&config, kind, args.backend.as_deref())?;
    let addresses = if args.address.is_empty() {
        addresses(&config).await
    } else {
        args.address
    };
    let sheet = sheet(kind, &config.sheet_facts(backend, addresses));
    match format {
        Format::Json => {
            let json = serde_json::to_string_pretty(&sheet);
            print(&(json.map_err(|error| Failure::new(Exit::Failed, error))? + "\n"))
        }
        Format::Text => {
            let page = Page {
                palette: Palette::of_stdout(),
                now: Clock::system().now(),
            };
            // Its commands are copied: no line of it is broken.
            print(&page.sheet(&sheet))
        }
    }
}

/// The one that is named, else the only one that fits.
fn backend<'c>(
    config: &'c Config,
    kind: SheetKind,
    named: Option<&str>,
) -> Result<&'c BackendConfig, Failure> {
    let which: Vec<_> = config.backends.iter().map(|it| it.id().as_str()).collect();
    let which = which.join(", ");
    if let Some(name) = named {
        let found = config.backends.iter().find(|it| it.id().as_str() == name);
        return found.ok_or_else(|| {
            let what = format!("\"{name}\" is no backend, expected one of {which}");
            Failure::new(Exit::Usage, what)
        });
    }
    let platforms = config.platforms();
    let fitting = config.backends.iter().zip(&platforms);
    let mut fitting = fitting.filter(|(_, platform)| kind.fits(platform));
    let only = match config.backends.as_slice() {
        [only] => Some(only),
        _ => None,
    };
    match (fitting.next(), fitting.next()) {
        (Some((found, _)), None) => Ok(found),
        _ => only.ok_or_else(|| {
            let what = format!("which backend is it? say --backend with one of {which}");
            Failure::new(Exit::Usage, what)
        }),
    }
}

/// The public addresses of this server, as far as they can be found.
async fn addresses(config: &Config) -> Vec<IpAddr> {
    let bound = config.doors().map(|bind| bind.ip());
    let bound: Vec<IpAddr> = bound.filter(is_public).collect();
    if !bound.is_empty() {
        return bound;
    }
    let Ok(dns) = Dns::asking(&config.dns.servers) else {
        return Vec::new();
    };
    let known = dns.addresses(&config.server.hostname.key()).await;
    known
        .unwrap_or_default()
        .into_iter()
        .filter(is_public)
        .collect()
}

impl Page {
    fn sheet(self, sheet: &Sheet) -> String {
        let steps = sheet.steps.iter().enumerate();
        steps.map(|(at, step)| self.step(at + 1, step)).collect()
    }

    fn step(self, number: usize, step: &Step) -> String {
        let place = self.palette.paint(Tone::Quiet, &step.place);
        let mut text = format!("{number}. {}\n   {place}\n\n", step.title);
        for command in &step.commands {
            text.push_str("       ");
            text.push_str(command);
            text.push('\n');
        }
        if !step.commands.is_empty() {
            text.push('\n');
        }
        for note in &step.notes {
            text.push_str(&self.field("     -", note));
        }
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(backends: &str) -> Config {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tideover.toml");
        let text = format!(
            "[server]\nhostname = \"mx.example.org\"\n[[listener]]\nbind = \"192.0.2.7:25\"\n\
             {backends}[domain.\"example.org\"]\nhome = \"one\"\nunknown = \"relay\"\n"
        );
        std::fs::write(&file, text).unwrap();
        crate::config::read(&file).unwrap()
    }

    #[tokio::test]
    async fn a_backend_is_found_by_what_it_looks_like() {
        let one = "[backend.one]\nhosts = [\"10.0.0.9:25\"]\n";
        let tenant = "[backend.cloud]\nhosts = [\"x.mail.protection.outlook.com:25\"]\n";
        let both = config(&format!("{one}{tenant}"));
        let found = |kind, named| backend(&both, kind, named).map(|it| it.id().to_string());
        assert_eq!(found(SheetKind::ExchangeOnline, None).unwrap(), "cloud");
        assert_eq!(found(SheetKind::Postfix, None).unwrap(), "one");
        assert_eq!(found(SheetKind::Postfix, Some("cloud")).unwrap(), "cloud");
        assert!(
            found(SheetKind::Google, None)
                .unwrap_err()
                .text
                .contains("one, cloud")
        );
        let wrong = found(SheetKind::Google, Some("moon")).unwrap_err();
        assert_eq!(wrong.exit, Exit::Usage);
        // A public address that it listens on needs no DNS.
        assert_eq!(
            addresses(&both).await,
            ["192.0.2.7".parse::<IpAddr>().unwrap()]
        );
        assert_eq!(
            backend(&config(one), SheetKind::Google, None)
                .unwrap()
                .id()
                .as_str(),
            "one"
        );
    }

    #[test]
    fn commands_stand_alone_on_their_lines() {
        let config = config("[backend.one]\nhosts = [\"10.0.0.9:25\"]\n");
        let facts = config.sheet_facts(&config.backends[0], vec!["192.0.2.7".parse().unwrap()]);
        let page = Page {
            palette: Palette::Plain,
            now: Clock::system().now(),
        };
        let sheet = sheet(SheetKind::Postfix, &facts);
        let text = page.sheet(&sheet);
        for command in sheet.steps.iter().flat_map(|it| &it.commands) {
            let line = format!("       {command}");
            assert!(text.lines().any(|it| it == line), "{command}\n{text}");
        }
        assert!(text.starts_with("1. Names, ports, firewall\n"), "{text}");
    }
}
