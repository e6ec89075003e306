//! The webmail's accounts: who can log in, who cannot, and help for one of them.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use super::Console;
use super::asker::{Asker, Fields, Question, Sent};
use super::fault::Fault;
use super::moments::{Moments, When, grouped};
use super::shell::{Here, Shell, show};
use crate::admin::{
    Account, AccountState, AddressQuery, Coverage, Covered, Invitation, Presence, Role,
};
use crate::frame::see_other;
use crate::terminal::visible;

use super::ask::escaped;

/// Accounts on a page, and mailboxes without one.
const SHOWN: usize = 50;

#[derive(Template)]
#[template(path = "console/users.html")]
struct Page {
    shell: Shell,
    q: String,
    coverage: Option<Enrolment>,
    rows: Vec<Row>,
    found: usize,
    next: Option<String>,
    may_help: bool,
}

/// How many can log in.
struct Enrolment {
    total: Line,
    domains: Vec<Line>,
    missing: Vec<String>,
    more: usize,
}

struct Line {
    name: String,
    covered: Covered,
}

/// An account.
struct Row {
    address: String,
    tone: &'static str,
    state: &'static str,
    factors: String,
    created: When,
    remark: String,
}

pub(super) async fn page(
    State(console): State<Console>,
    asker: Asker,
    Question(fields): Question,
) -> Result<Response, Fault> {
    let ask = console.ask(&asker);
    let accounts: Vec<Account> = ask.get("/api/users").await?;
    let coverage: Coverage = ask.get("/api/users/coverage").await?;
    let q = fields.text("q").to_lowercase();
    let skip = fields.skip()?;
    let found: Vec<&Account> = accounts
        .iter()
        .filter(|account| account.address.to_lowercase().contains(&q))
        .collect();
    let moments = console.moments();
    let rows = found.iter().skip(skip).take(SHOWN);
    let rows = rows.map(|account| Row {
        address: visible(&account.address),
        tone: match account.state {
            AccountState::Active => "done",
            AccountState::Invited | AccountState::Directory => "waiting",
            AccountState::Disabled => "trouble",
        },
        state: account.state.as_str(),
        factors: account.factors(),
        created: moments.when(account.created),
        remark: remark(account, &moments),
    });
    let mut shell = console.shell(&asker, Here::Users, "Users");
    shell.notice = disabled(&fields, &accounts);
    let end = skip.saturating_add(SHOWN);
    show(&Page {
        rows: rows.collect(),
        next: (found.len() > end).then(|| format!("/users?q={}&skip={end}", escaped(&q))),
        found: found.len(),
        coverage: (coverage.total.mailboxes > 0).then(|| Enrolment::new(coverage)),
        may_help: asker.may(Role::HelpDesk),
        q,
        shell,
    })
}

/// What has just been done, if it is so.
fn disabled(fields: &Fields, accounts: &[Account]) -> Option<String> {
    let address = fields.some("disabled")?;
    let known = accounts.iter().find(|one| one.address == address)?;
    (known.state == AccountState::Disabled)
        .then(|| format!("{} is disabled: its sessions have ended.", visible(address)))
}

fn remark(account: &Account, moments: &Moments) -> String {
    let text = match &account.directory {
        Presence::There => String::new(),
        Presence::Departed(at) => {
            format!("no source names its user since {}", moments.clock(*at))
        }
        Presence::Gone => "the directory does not name its user".to_owned(),
        Presence::Taken { by, .. } => format!("its address belongs to {by} now"),
    };
    let renamed = account.renamed.as_ref();
    visible(&renamed.map_or(text, |now| format!("its user is called {now} now")))
}

impl Enrolment {
    fn new(coverage: Coverage) -> Self {
        let missing = coverage.missing.len();
        let line = |(name, covered)| Line { name, covered };
        Self {
            total: line(("All".to_owned(), coverage.total)),
            domains: coverage.domains.into_iter().map(line).collect(),
            missing: coverage.missing.into_iter().take(SHOWN).collect(),
            more: missing.saturating_sub(SHOWN),
        }
    }
}

#[derive(Template)]
#[template(path = "console/invited.html")]
struct InvitedPage {
    shell: Shell,
    title: String,
    invitation: Invitation,
    expires: When,
}

/// `invite`, `reset` or `disable`.
pub(super) async fn act(
    State(console): State<Console>,
    Path(what): Path<String>,
    sent: Sent,
) -> Result<Response, Fault> {
    let title = match what.as_str() {
        "invite" => "Invitation",
        "reset" => "New password",
        "disable" => "Disabled",
        _ => return Err(Fault::not_found()),
    };
    let reason = sent.fields.reason()?;
    let query = AddressQuery {
        address: sent.fields.text("address").to_owned(),
    };
    let ask = console.ask(&sent.asker);
    let path = format!("/api/users/{what}");
    if what == "disable" {
        let done: AddressQuery = ask.post_because(&path, &query, &reason).await?;
        let target = format!("/users?q={0}&disabled={0}", escaped(&done.address));
        return Ok(see_other(&target));
    }
    let invitation: Invitation = ask.post_because(&path, &query, &reason).await?;
    show(&InvitedPage {
        shell: console.shell(&sent.asker, Here::Users, title),
        title: format!("{title} for {}", visible(&invitation.address)),
        expires: console.moments().when(invitation.expires),
        invitation,
    })
}

/// `412 of 500`.
impl Line {
    fn told(&self) -> String {
        format!(
            "{} of {}, {} %",
            grouped(self.covered.enrolled as u64),
            grouped(self.covered.mailboxes as u64),
            self.covered.percent
        )
    }
}
