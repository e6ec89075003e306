//! The arguments as they are typed. What they mean is said in `intent`.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::audit::AuditArgs;
use super::automatic::AutomaticArgs;
use super::device::DeviceVerb;
use super::directory::DirectoryVerb;
use super::drill::DrillVerb;
use super::invite::InviteArgs;
use super::key::KeyVerb;
use super::landing::LandingVerb;
use super::notify::NotifyVerb;
use super::operator::OperatorVerb;
use super::rehearse::RehearseArgs;
use super::replay::ReplayVerb;
use super::report::ReportArgs;
use super::running::ConfigArgs;
use super::setup::SetupArgs;
use super::tls::TlsVerb;
use super::wave::WaveVerb;
use super::webmail::WebmailVerb;
use super::writeback::WritebackVerb;
use crate::base::Timestamp;
use crate::config::units;
use crate::mail::{CaseId, HoldReason, SpoolId};
use crate::route::Pattern;
use crate::smtp::Domain;

/// Tideover takes the mail of an organisation that changes its mail platform, and loses none.
#[derive(Debug, Clone, PartialEq, Eq, Parser)]
#[command(
    name = "tideover",
    version,
    max_term_width = 80,
    after_help = "Exit codes: 0 done, 1 refused or not found, 2 wrong arguments, 3 the server \
                  cannot be reached, 4 the config is refused."
)]
pub(crate) struct Arguments {
    /// Config file [default: TIDEOVER_CONFIG, ./tideover.toml, /etc/tideover/tideover.toml]
    #[arg(short, long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON for programs instead of text for people
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Who does it, for the ledger [default: the user of the terminal]
    #[arg(long, global = true, value_name = "NAME", env = "TIDEOVER_ACTOR")]
    pub(crate) actor: Option<String>,
    /// Why, for those who look later: stands in the audit log
    #[arg(long, global = true, value_name = "WHY")]
    pub(crate) reason: Option<String>,
    /// Ask again every 2 seconds, or so often (`--watch=10`): for verbs that show something
    #[arg(
        long,
        global = true,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "2",
        value_parser = clap::value_parser!(u16).range(1..=3600)
    )]
    pub(crate) watch: Option<u16>,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum Verb {
    /// Run the server
    Serve,
    /// Check the config, and say what would lose or misroute mail
    Check {
        /// Also connect to the backends, and look at what the domains publish in the DNS
        #[arg(long)]
        online: bool,
    },
    /// What is done with automatic answers, and what would be done with a message
    Automatic(AutomaticArgs),
    /// Print what the administrator of a platform has to do so that it works behind this server
    Setup(SetupArgs),
    /// Probes that go the way of mail and must come back
    #[command(subcommand)]
    Drill(DrillVerb),
    /// Who is told of trouble, and does it arrive?
    #[command(subcommand)]
    Notify(NotifyVerb),
    /// Show the whole story in two minutes: two sandbox platforms, mail, an outage, the webmail
    Demo {
        /// Run through, check that every message arrived exactly once, and end
        #[arg(long)]
        once: bool,
    },
    /// How are the backends, what waits, what is stored?
    Status,
    /// How long does the spool last at today's traffic?
    Size,
    /// The mail platforms
    #[command(subcommand)]
    Backend(BackendVerb),
    /// Mail that waits
    #[command(subcommand)]
    Queue(QueueVerb),
    /// Refusals of people we know, grouped by what was said: what to mend, and what to release
    Cases {
        /// What was refused for its content or by [queue] final: nothing waits for a decision
        #[arg(long = "final")]
        finals: bool,
        #[command(subcommand)]
        verb: Option<CasesVerb>,
    },
    /// A domain that goes from one platform to another
    #[command(subcommand)]
    Move(MoveVerb),
    /// Users who change home together
    #[command(subcommand)]
    Wave(WaveVerb),
    /// Bring mail to a platform that lost it, or never had it
    #[command(subcommand)]
    Replay(ReplayVerb),
    /// Carry what users did in the webmail into their mailboxes: sent, drafts, read, flagged, filed
    Writeback {
        #[command(subcommand)]
        verb: Option<WritebackVerb>,
    },
    /// Is what was delivered in the mailboxes?
    #[command(subcommand)]
    Landing(LandingVerb),
    /// Let mail that really came go through another directory, and see what would change
    Rehearse(RehearseArgs),
    /// What became of the mail of a time: the closing report of an outage or a migration
    Report(ReportArgs),
    /// Who exists, and where the mailbox is
    #[command(subcommand)]
    Directory(DirectoryVerb),
    /// Printers, scanners and applications that must send mail
    #[command(subcommand)]
    Device(DeviceVerb),
    /// The route of an address, step by step
    Explain {
        /// For example ann@example.org
        address: String,
    },
    /// What became of a message, or of the mail of an address
    Trace {
        /// A Message-ID, a spool id (from our 250 reply) or an address
        of: String,
        /// Show at most so many messages
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// How TLS with servers outside went in the last days, as RFC 8460 counts it
    Tls {
        #[command(subcommand)]
        verb: Option<TlsVerb>,
    },
    /// For whom the webmail is open
    #[command(subcommand)]
    Webmail(WebmailVerb),
    /// Accounts of the webmail
    #[command(subcommand)]
    User(UserVerb),
    /// Administrators: who may come in over the network, and do what
    #[command(subcommand)]
    Operator(OperatorVerb),
    /// Who has changed what, from where and why
    Audit(AuditArgs),
    /// Keys with which our domains sign mail
    #[command(subcommand)]
    Key(KeyVerb),
    /// The spool of a server that is stopped
    #[command(subcommand)]
    Spool(SpoolVerb),
    /// The config that runs: each key, its value and its line, and what a reload would change
    Config(ConfigArgs),
    /// Make the running server read its config again
    Reload,
    /// Print the document of the HTTP API (OpenAPI 3.1), for programs that make clients
    Openapi,
    /// Print a script that completes verbs and options in a shell
    Completions {
        /// For example bash: tideover completions bash > /etc/bash_completion.d/tideover
        shell: clap_complete::Shell,
    },
    /// Write a manual page for each verb
    Man {
        /// Where they go, for example /usr/local/share/man/man1
        folder: PathBuf,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum BackendVerb {
    /// All backends and their health
    List,
    /// One backend: hosts, limits, probes
    Show {
        /// Its name in the config
        name: String,
    },
    /// Stop all attempts: its mail waits here, shown as held, until resume
    Hold {
        /// Its name in the config
        name: String,
        /// Why, for those who look later
        #[arg(long)]
        reason: String,
    },
    /// Deliver what was accepted so far; what comes later waits, until resume
    Drain {
        /// Its name in the config
        name: String,
        /// Why, for those who look later
        #[arg(long)]
        reason: String,
    },
    /// End a hold or a drain: its health decides again
    Resume {
        /// Its name in the config
        name: String,
        /// Send mail even while it looks down, until the next resume or hold
        #[arg(long)]
        force: bool,
        /// Why, for those who look later
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Probe it now and show what came of it
    Probe {
        /// Its name in the config
        name: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum QueueVerb {
    /// Recipients that are not finished
    List(QueueList),
    /// One message, its recipients and their history
    Show {
        /// Its spool id
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
    /// Hold mail, also what comes later, until it is released
    Hold(QueueHold),
    /// The holds in force
    Holds,
    /// Let held mail go, unless a move holds it; ends the holds of nothing but that
    Release(QueueDeed),
    /// Try queued mail now, at its present home
    Retry(QueueDeed),
    /// Take mail out for good; shows what it would drop unless given --yes
    Drop {
        #[command(flatten)]
        deed: QueueDeed,
        /// Do it
        #[arg(long)]
        yes: bool,
    },
    /// Write waiting mail as .eml files, with a manifest; it stays in the queue
    Export {
        /// A new or empty folder
        dir: PathBuf,
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum CasesVerb {
    /// One case: what was said, to whom, where to look
    Show {
        /// Its name in the list
        id: CaseId,
    },
    /// Try one message; when it is accepted the whole case follows
    Release {
        /// Its name in the list
        id: CaseId,
        /// Why, for those who look later
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Give it up: proven senders get a report, nobody gets the mail
    Bounce {
        /// Its name in the list
        id: CaseId,
        /// Why, for those who look later
        #[arg(long)]
        reason: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct QueueDeed {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Why, for those who look later
    #[arg(long, default_value = "")]
    pub(crate) reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct QueueHold {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Why, for those who look later
    #[arg(long)]
    pub(crate) reason: String,
    /// When it ends by itself, for example 2026-03-01T06:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) until: Option<Timestamp>,
    /// After how long it ends by itself, for example 2h
    #[arg(long = "for", value_name = "TIME", value_parser = units::duration)]
    #[arg(conflicts_with = "until")]
    pub(crate) length: Option<Duration>,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    let parsed: Result<jiff::Timestamp, _> = text.parse();
    let millis = parsed
        .ok()
        .and_then(|at| u64::try_from(at.as_millisecond()).ok());
    let wrong = || "expected a time with its zone, for example 2026-03-01T06:00:00Z".to_owned();
    millis.map(Timestamp::from_millis).ok_or_else(wrong)
}

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum MoveVerb {
    /// From now on the domain's mail is accepted and held: no attempts, no notices
    Start(MoveStepArgs),
    /// Domains on the move, or that were: how much waits, and since when
    Status,
    /// The domain has arrived: its mail goes to the homes of the directory
    Finish {
        #[command(flatten)]
        step: MoveStepArgs,
        /// The domain's home from now on, also after restarts and reloads
        #[arg(long, value_name = "BACKEND")]
        home: Option<String>,
    },
    /// Undo: its mail goes to the homes of before
    BackOut(MoveStepArgs),
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct MoveStepArgs {
    /// For example example.org
    pub(crate) domain: Domain,
    /// Why, for those who look later
    #[arg(long, default_value = "")]
    pub(crate) reason: String,
    /// Also when a check fails that only should not
    #[arg(long)]
    pub(crate) force: bool,
    /// Only show what is looked at before the step
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Which mail something is done to. The server refuses nothing at all.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Which {
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// All mail
    #[arg(long)]
    pub(crate) all: bool,
}

/// Which mail; all that is given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Filter {
    /// Of this message (its spool id)
    #[arg(value_name = "ID")]
    pub(crate) message: Option<SpoolId>,
    /// To this address, or to @domain
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) recipient: Option<Pattern>,
    /// From this address, from @domain, or from <> (reports)
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) sender: Option<Pattern>,
    /// To addresses of this domain
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) domain: Option<Domain>,
    /// For this backend, or refused by it
    #[arg(long, value_name = "NAME")]
    pub(crate) backend: Option<String>,
    /// Held for this kind of reason: refused, operator, move, no-route, loop, damaged,
    /// dmarc, filter, automatic
    #[arg(
        long,
        value_name = "KIND",
        hide_possible_values = true,
        value_parser = PossibleValuesParser::new(HoldReason::KINDS)
    )]
    pub(crate) reason_kind: Option<String>,
    /// Held by the rule of this name (`queue holds`)
    #[arg(long, value_name = "NAME")]
    pub(crate) hold: Option<String>,
    /// Accepted longer ago than this, for example 2h or 7d
    #[arg(long, value_name = "AGE", value_parser = units::duration)]
    pub(crate) older: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct QueueList {
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// Only these
    #[arg(long)]
    pub(crate) state: Option<WaitingState>,
    /// Leave out the first so many
    #[arg(long, default_value_t = 0)]
    pub(crate) skip: usize,
    /// Show at most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=999))]
    pub(crate) limit: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WaitingState {
    Queued,
    Held,
}

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum SpoolVerb {
    /// Check every checksum, and the index against the log; while a server runs, what it is not
    /// writing to
    Verify,
    /// Make the index anew from the log
    Rebuild,
    /// Print a message as it is stored
    Cat {
        /// Its spool id
        id: String,
    },
    /// Write all messages that are not finished as .eml files, with a manifest
    Export {
        /// A new or empty folder
        dir: PathBuf,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum UserVerb {
    /// Make links with which users set their passwords; to be given, mailed or printed
    Invite(InviteArgs),
    /// All accounts
    List,
    /// Make a link for a user who has lost his password; the old one and his sessions end
    Reset {
        /// The user's address
        address: String,
    },
    /// How many of those who have a mailbox can log in
    Coverage {
        /// Name those who cannot yet
        #[arg(long)]
        missing: bool,
    },
    /// Say that who has the address of a departed account now is the same person as before
    Confirm {
        /// The address of the account
        address: String,
    },
    /// End a user's sessions and refuse new ones
    Disable {
        /// The user's address
        address: String,
    },
}
