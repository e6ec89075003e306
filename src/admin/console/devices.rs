//! Printers, scanners and applications that send mail: what each may, and when it was seen last.
//! They are made with the verb, which asks what it must know; here one is ended, after a look.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use super::Console;
use super::ask::escaped;
use super::asker::{Asker, Fields, Question, Sent};
use super::fault::Fault;
use super::moments::{Moments, When, grouped};
use super::shell::{Here, Shell, show};
use crate::admin::Role;
use crate::device::{AddressRule, DeviceState, DeviceView, Way};
use crate::frame::see_other;
use crate::terminal::visible;

/// Devices on a page.
const SHOWN: usize = 50;

#[derive(Template)]
#[template(path = "console/devices.html")]
struct Page {
    shell: Shell,
    q: String,
    rows: Vec<Row>,
    found: usize,
    /// There are none at all.
    is_bare: bool,
    next: Option<String>,
    may_act: bool,
}

/// A device.
struct Row {
    name: String,
    tone: &'static str,
    state: &'static str,
    /// How it hands its mail in, in a sentence.
    way: String,
    senders: String,
    recipients: String,
    today: String,
    seen: Option<When>,
    sender: String,
    refused: Option<(When, String)>,
    ends: Option<When>,
    made: When,
    by: String,
    reason: String,
    /// Where it is ended.
    end: String,
}

pub(super) async fn page(
    State(console): State<Console>,
    asker: Asker,
    Question(fields): Question,
) -> Result<Response, Fault> {
    let ask = console.ask(&asker);
    let devices: Vec<DeviceView> = ask.get("/api/devices").await?;
    let q = fields.text("q").to_lowercase();
    let skip = fields.skip()?;
    let found: Vec<&DeviceView> = devices.iter().filter(|one| has(one, &q)).collect();
    let moments = console.moments();
    let rows = found.iter().skip(skip).take(SHOWN);
    let end = skip.saturating_add(SHOWN);
    let mut shell = console.shell(&asker, Here::Devices, "Devices");
    shell.notice = ended(&fields, &devices);
    show(&Page {
        rows: rows.map(|one| Row::new(one, &moments)).collect(),
        next: (found.len() > end).then(|| format!("/devices?q={}&skip={end}", escaped(&q))),
        found: found.len(),
        is_bare: devices.is_empty(),
        may_act: asker.may(Role::Operator),
        q,
        shell,
    })
}

/// Has it that in its name, its networks, or its senders?
fn has(one: &DeviceView, q: &str) -> bool {
    let senders = one.senders.iter().map(ToString::to_string);
    let mut all = senders.chain(one.networks.clone());
    one.name.contains(q) || all.any(|text| text.to_lowercase().contains(q))
}

/// What has just been done, if it is so.
fn ended(fields: &Fields, devices: &[DeviceView]) -> Option<String> {
    let name = fields.some("ended")?;
    let is_there = devices.iter().any(|one| one.name == name);
    (!is_there).then(|| format!("{} is no device any more.", visible(name)))
}

#[derive(Template)]
#[template(path = "console/device_end.html")]
struct EndPage {
    shell: Shell,
    row: Row,
    /// What its mail is then.
    then: &'static str,
    may_act: bool,
}

/// What it would mean to end a device; nothing is done.
pub(super) async fn look(
    State(console): State<Console>,
    Path(name): Path<String>,
    asker: Asker,
) -> Result<Response, Fault> {
    let path = format!("/api/devices/{}", escaped(&name));
    let device: DeviceView = console.ask(&asker).get(&path).await?;
    show(&EndPage {
        row: Row::new(&device, &console.moments()),
        then: match device.way {
            Way::Login => {
                "Its password is dead at once: it logs in no more, and nothing of it is taken \
                 where a login is needed."
            }
            Way::Internal | Way::Listed => {
                "What comes from its address is a stranger's then: to our own people it may send \
                 as everybody may, and is checked as everybody is."
            }
        },
        may_act: asker.may(Role::Operator),
        shell: console.shell(&asker, Here::Devices, "End a device"),
    })
}

/// It is no device any more.
pub(super) async fn end(
    State(console): State<Console>,
    Path(name): Path<String>,
    sent: Sent,
) -> Result<Response, Fault> {
    let reason = sent.fields.reason()?;
    let path = format!("/api/devices/{}/end", escaped(&name));
    let ask = console.ask(&sent.asker);
    let ended: DeviceView = ask.post_because(&path, &(), &reason).await?;
    Ok(see_other(&format!(
        "/devices?ended={}",
        escaped(&ended.name)
    )))
}

impl Row {
    fn new(one: &DeviceView, moments: &Moments) -> Self {
        let networks = visible(&one.networks.join(", "));
        let way = match one.way {
            Way::Login if networks.is_empty() => "logs in from anywhere".to_owned(),
            Way::Login => format!("logs in from {networks}"),
            Way::Internal => format!("known by its address {networks}, to our own people only"),
            Way::Listed => format!("known by its address {networks}, to some strangers, too"),
        };
        let (state, tone) = match one.state {
            DeviceState::Active => ("active", "done"),
            DeviceState::Full => ("has sent what it may today", "waiting"),
            DeviceState::Expired => ("its time is over", "trouble"),
        };
        let most = one.daily_recipients.map(|most| grouped(u64::from(most)));
        let today = grouped(one.today);
        let refusal = one.last_refusal.as_ref();
        Self {
            end: format!("/devices/{}/end", escaped(&one.name)),
            name: one.name.clone(),
            tone,
            state,
            way,
            senders: visible(&joined(&one.senders)),
            recipients: visible(&joined(&one.recipients)),
            today: match most {
                Some(most) => format!("{today} of {most}"),
                None => format!("{today}, without a limit"),
            },
            seen: one.last_seen.map(|at| moments.when(at)),
            sender: match one.last_sender.as_deref() {
                Some("") => "<>".to_owned(),
                sender => visible(sender.unwrap_or_default()),
            },
            refused: refusal.map(|it| (moments.when(it.at), visible(&it.reply))),
            ends: one.expires.map(|at| moments.when(at)),
            made: moments.when(one.made),
            by: visible(&one.by),
            reason: visible(&one.reason),
        }
    }
}

fn joined(rules: &[AddressRule]) -> String {
    let rules: Vec<String> = rules.iter().map(ToString::to_string).collect();
    rules.join(", ")
}
