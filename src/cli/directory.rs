//! `directory …`: who exists, and every earlier state of it.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use super::directory_x500::X500Args;
use super::home::At;
use super::intent::{Format, Request, escape};
use super::teller::Teller;
use super::{Exit, Failure, print};
use crate::admin::{
    ChangeQuery, ChangeView, DiffView, EntriesQuery, EntryState, ForgetQuery, ForgetView, Limit,
    LookupView, RevertQuery, SetQuery, SettleQuery, VerifiedView,
};
use crate::base::Timestamp;
use crate::directory::{Conflict, Entry, EntryKind, FILE, Generation};
use crate::mail::BackendId;
use crate::smtp::Mailbox;

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum DirectoryVerb {
    /// Read a CSV file: the people of one source
    Import(ImportArgs),
    /// Write the directory as a CSV file, all sources joined
    Export {
        /// Where to; stdout if it is left out
        file: Option<PathBuf>,
    },
    /// The entries
    List(ListArgs),
    /// What is known of an address, and which source says so
    #[command(visible_alias = "show")]
    Lookup {
        /// For example ann@example.org, or an IMCEAEX- address
        address: String,
    },
    /// The generations: who changed what, when and why
    Log {
        /// Show at most so many, the newest last
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// What differs between two generations
    Diff {
        /// From [default: the one before]
        from: Option<u64>,
        /// To [default: the present one]
        to: Option<u64>,
    },
    /// Make the directory what it was in an earlier generation
    Revert {
        /// Its number, as `directory log` shows it
        number: u64,
        #[command(flatten)]
        how: How,
    },
    /// The directory as it was at a time
    AsOf {
        /// For example "2026-11-18 09:00"
        #[arg(value_parser = moment)]
        time: Timestamp,
        /// What it knew of this address
        address: Option<String>,
    },
    /// What the sources say differently
    Conflicts {
        /// Also what is settled
        #[arg(long)]
        all: bool,
    },
    /// Settle a conflict once and for all
    Settle {
        /// The address that is disputed
        address: String,
        /// Who has it: an address, or SOURCE/ID as `directory conflicts` shows it
        #[arg(long, required_unless_present = "home", conflicts_with = "home")]
        owner: Option<String>,
        /// Which home counts for somebody with two mailboxes
        #[arg(long)]
        home: Option<String>,
        #[command(flatten)]
        how: How,
    },
    /// Read the sources that are synchronised now
    Sync {
        /// Only this one
        source: Option<String>,
        #[command(flatten)]
        how: How,
    },
    /// How large the directory is, and whether it is in step with its sources
    Status,
    /// Whom the homes know that the directory does not name (unknown = "verify")
    Verified,
    /// The X.500 addresses of people, to give them to the platform where they live
    X500(X500Args),
    /// Addresses that Exchange Online or Google refuse, and their proper forms
    Normalised,
    /// Forget what a home said of an address: its next mail asks anew
    Forget {
        /// For example ann@example.org
        address: String,
    },
    /// Say by hand where somebody is; it beats what the sources say
    Set {
        /// An address of the directory
        address: String,
        /// The backend that holds the mailbox
        #[arg(long)]
        home: Option<String>,
        /// The address used towards it
        #[arg(long)]
        delivery_address: Option<Mailbox>,
        /// Take back what was said by hand
        #[arg(long, conflicts_with_all = ["home", "delivery_address"])]
        unset: bool,
        #[command(flatten)]
        how: How,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct ImportArgs {
    /// The file; `-` reads stdin
    file: PathBuf,
    /// The source that it is; what it said before goes unless the file has it too
    #[arg(long, default_value = FILE)]
    source: String,
    /// The home of mailboxes and groups of which the file names none, for exports of a platform
    #[arg(long)]
    home: Option<String>,
    /// The file names some people only: who is not in it stays
    #[arg(long)]
    add: bool,
    /// Leave out bad rows instead of refusing the file
    #[arg(long)]
    skip_bad: bool,
    #[command(flatten)]
    how: How,
}

/// How carefully, and why.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct How {
    /// Only show what would change
    #[arg(long)]
    dry_run: bool,
    /// Also when it deletes or moves more than directory.max_delete_percent
    #[arg(long)]
    yes: bool,
    /// Why, for those who look later
    #[arg(long, default_value = "")]
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct ListArgs {
    /// With this in an address or in the name
    #[arg(long)]
    text: Option<String>,
    /// Of this domain
    #[arg(long)]
    domain: Option<String>,
    /// With this home
    #[arg(long)]
    home: Option<String>,
    /// Of this type
    #[arg(long = "type")]
    kind: Option<Kind>,
    /// Only whom a source names, or only who departed
    #[arg(long)]
    state: Option<State>,
    /// Leave out so many
    #[arg(long, default_value_t = 0)]
    skip: usize,
    /// Show at most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Mailbox,
    User,
    Group,
    Contact,
    Resource,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    Named,
    Departed,
}

/// A time: RFC 3339, or local as people write it.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let local = text.parse::<jiff::civil::DateTime>();
    let local = local.map_err(|_| "expected for example \"2026-11-18 09:00\"".to_owned())?;
    let zoned = local.to_zoned(jiff::tz::TimeZone::system());
    let millis = zoned.map_err(|error| error.to_string())?.timestamp();
    let millis = u64::try_from(millis.as_millisecond());
    millis
        .map(Timestamp::from_millis)
        .map_err(|_| "is before 1970".to_owned())
}

/// Does what a verb says, as `actor`.
pub(super) async fn perform(
    config: At<'_>,
    verb: DirectoryVerb,
    (format, actor): (Format, String),
) -> Result<(), Failure> {
    let teller = Teller::new(config, (format, actor))?;
    Directory(teller).perform(verb).await
}

pub(super) struct Directory(pub(super) Teller);

impl Directory {
    async fn perform(&self, verb: DirectoryVerb) -> Result<(), Failure> {
        match verb {
            DirectoryVerb::Import(args) => self.import(args).await,
            DirectoryVerb::Export { file } => self.export(file).await,
            DirectoryVerb::List(args) => self.list(args).await,
            DirectoryVerb::Lookup { address } => self.lookup(Some(address), None).await,
            DirectoryVerb::Log { limit } => self.log(limit).await,
            DirectoryVerb::Diff { from, to } => self.diff((from, to)).await,
            DirectoryVerb::Revert { number, how } => {
                let change = self.change(how);
                let query = RevertQuery {
                    number,
                    seen: None,
                    change,
                };
                self.tell(Request::post("/api/directory/revert", &query))
                    .await
            }
            DirectoryVerb::AsOf { time, address } => self.lookup(address, Some(time)).await,
            DirectoryVerb::Conflicts { all: true } => self.conflicts(Which::All).await,
            DirectoryVerb::Conflicts { all: false } => self.conflicts(Which::Open).await,
            DirectoryVerb::Settle {
                address,
                owner,
                home,
                how,
            } => {
                let query = SettleQuery {
                    address,
                    owner,
                    home: home.map(|name| BackendId::new(&name)),
                    change: self.change(how),
                };
                self.tell(Request::post("/api/directory/settle", &query))
                    .await
            }
            DirectoryVerb::Sync { source, how } => self.sync(source, how).await,
            DirectoryVerb::Status => self.status().await,
            DirectoryVerb::Verified => self.verified().await,
            DirectoryVerb::X500(args) => self.x500(args).await,
            DirectoryVerb::Normalised => self.normalised().await,
            DirectoryVerb::Forget { address } => self.forget(address).await,
            DirectoryVerb::Set {
                address,
                home,
                delivery_address,
                unset,
                how,
            } => {
                if home.is_none() && delivery_address.is_none() && !unset {
                    let what = "nothing is said: give --home, --delivery-address or --unset";
                    return Err(Failure::new(Exit::Usage, what));
                }
                let query = SetQuery {
                    address,
                    home: home.map(|name| BackendId::new(&name)),
                    delivery_address,
                    unset,
                    change: self.change(how),
                };
                self.tell(Request::post("/api/directory/set", &query)).await
            }
        }
    }

    pub(super) fn change(&self, how: How) -> ChangeQuery {
        ChangeQuery {
            actor: self.0.actor.clone(),
            reason: how.reason,
            yes: how.yes,
            dry_run: how.dry_run,
        }
    }

    async fn import(&self, args: ImportArgs) -> Result<(), Failure> {
        let ImportArgs {
            file,
            source,
            home,
            add,
            skip_bad,
            how,
        } = args;
        let file = file.as_path();
        let read = if file == Path::new("-") {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes).map(|_| bytes)
        } else {
            std::fs::read(file)
        };
        let unread = |error| Failure::new(Exit::Failed, format!("{}: {error}", file.display()));
        let bytes = read.map_err(unread)?;
        let mut path = format!(
            "/api/directory/import?source={}&add={add}&skip_bad={skip_bad}&actor={}&reason={}\
             &yes={}&dry_run={}",
            escape(&source),
            escape(&self.0.actor),
            escape(&how.reason),
            how.yes,
            how.dry_run
        );
        path.extend(home.map(|home| format!("&home={}", escape(&home))));
        let answer: serde_json::Value = self.0.client.upload(path, bytes).await?;
        self.told(&answer)
    }

    /// Asks for a change and tells what came of it.
    async fn tell(&self, request: Request) -> Result<(), Failure> {
        let answer: serde_json::Value = self.0.client.ask(request).await?;
        self.told(&answer)
    }

    fn told(&self, answer: &serde_json::Value) -> Result<(), Failure> {
        self.0
            .print(answer, |page, it: &ChangeView| page.changed(it))
    }

    async fn export(&self, file: Option<PathBuf>) -> Result<(), Failure> {
        let request = Request::get("/api/directory/export".to_owned());
        let target = file.clone().unwrap_or_else(|| "/dev/stdout".into());
        let unwritten =
            |error| Failure::new(Exit::Failed, format!("{}: {error}", target.display()));
        // A file that stdout leads to may have something already.
        let mut options = tokio::fs::OpenOptions::new();
        let options = match file {
            Some(_) => options.write(true).create(true).truncate(true),
            None => options.append(true),
        };
        let mut output = options.open(&target).await.map_err(unwritten)?;
        self.0.client.save(request, &mut output).await?;
        output.sync_all().await.ok();
        match file {
            Some(file) if self.0.format == Format::Text => {
                print(&format!("the directory is in {}\n", file.display()))
            }
            Some(_) | None => Ok(()),
        }
    }

    async fn list(&self, args: ListArgs) -> Result<(), Failure> {
        let (skip, limit) = (args.skip, usize::from(args.limit));
        // One more says whether there is more.
        let wanted = limit + usize::from(self.0.format == Format::Text);
        let query = EntriesQuery {
            text: args.text,
            domain: args.domain,
            home: args.home,
            kind: args.kind.map(|kind| match kind {
                Kind::Mailbox => EntryKind::Mailbox,
                Kind::User => EntryKind::User,
                Kind::Group => EntryKind::Group,
                Kind::Contact => EntryKind::Contact,
                Kind::Resource => EntryKind::Resource,
            }),
            state: args.state.map(|state| match state {
                State::Named => EntryState::Named,
                State::Departed => EntryState::Departed,
            }),
            skip,
            limit: Some(Limit::of(wanted)),
        };
        let path = format!("/api/directory/entries?{}", query.words());
        let answer: serde_json::Value = self.0.client.ask(Request::get(path)).await?;
        self.0.print(&answer, |page, it: &Vec<Entry>| {
            page.entries(it, (skip, limit))
        })
    }

    async fn lookup(&self, address: Option<String>, at: Option<Timestamp>) -> Result<(), Failure> {
        let mut parts = Vec::new();
        parts.extend(address.map(|address| format!("address={}", escape(&address))));
        parts.extend(at.map(|at| format!("at={}", escape(&at.to_string()))));
        let request = Request::get(format!("/api/directory?{}", parts.join("&")));
        let answer: serde_json::Value = self.0.client.ask(request).await?;
        self.0
            .print(&answer, |page, it: &LookupView| page.looked_up(it))?;
        let absent = |name: &str| answer.get(name).is_none_or(serde_json::Value::is_null);
        let unknown = !absent("address") && absent("entry") && absent("verified");
        if unknown {
            let what = "the directory does not know this address";
            return Err(Failure::new(Exit::Failed, what));
        }
        Ok(())
    }

    async fn verified(&self) -> Result<(), Failure> {
        let request = Request::get("/api/directory/verified".to_owned());
        let answer: serde_json::Value = self.0.client.ask(request).await?;
        self.0
            .print(&answer, |page, it: &Vec<VerifiedView>| page.verified(it))
    }

    async fn forget(&self, address: String) -> Result<(), Failure> {
        let request = Request::post("/api/directory/forget", &ForgetQuery { address });
        let answer: serde_json::Value = self.0.client.ask(request).await?;
        let view: ForgetView = super::teller::read(&answer)?;
        self.0.print(&answer, |_, it: &ForgetView| {
            if it.forgotten {
                format!("{} is forgotten: its next mail asks the home\n", it.address)
            } else {
                String::new()
            }
        })?;
        if view.forgotten {
            return Ok(());
        }
        let what = format!("no home has said anything of {}", view.address);
        Err(Failure::new(Exit::Failed, what))
    }

    async fn log(&self, limit: usize) -> Result<(), Failure> {
        let request = Request::get("/api/directory/generations".to_owned());
        let mut all: Vec<serde_json::Value> = self.0.client.ask(request).await?;
        let older = all.len().saturating_sub(limit);
        let shown = serde_json::Value::from(all.split_off(older));
        self.0.print(&shown, |page, it: &Vec<Generation>| {
            page.generations(it, older)
        })
    }

    async fn diff(&self, (from, to): (Option<u64>, Option<u64>)) -> Result<(), Failure> {
        let mut parts = Vec::new();
        parts.extend(from.map(|from| format!("from={from}")));
        parts.extend(to.map(|to| format!("to={to}")));
        let request = Request::get(format!("/api/directory/diff?{}", parts.join("&")));
        let answer: serde_json::Value = self.0.client.ask(request).await?;
        self.0.print(&answer, |page, it: &DiffView| page.diff(it))
    }

    async fn conflicts(&self, which: Which) -> Result<(), Failure> {
        let request = Request::get("/api/directory/conflicts".to_owned());
        let mut found: Vec<serde_json::Value> = self.0.client.ask(request).await?;
        let open =
            |one: &serde_json::Value| one.get("settled").is_none_or(serde_json::Value::is_null);
        found.retain(|one| which == Which::All || open(one));
        let shown = serde_json::Value::from(found);
        self.0
            .print(&shown, |page, it: &Vec<Conflict>| page.conflicts(it))
    }
}

/// Which conflicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Open,
    All,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_taken_as_people_write_them() {
        let exact = moment("2026-11-18T09:00:00Z").unwrap();
        assert_eq!(exact.as_secs(), 1_794_992_400);
        for text in ["2026-11-18 09:00", "2026-11-18T09:00:30"] {
            assert!(moment(text).is_ok(), "{text}");
        }
        for text in ["yesterday", "09:00", "1912-01-01 00:00"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }
}
