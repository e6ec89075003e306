//! The page of an operator's own login: password, second step, sessions, tokens. What of it needs a
//! password is changed at the door.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::Console;
use super::asker::{Asker, Question, Sent};
use super::fault::Fault;
use super::moments::{Moments, When};
use super::shell::{Here, Shell, show};
use crate::admin::{RevokeQuery, SessionQuery, SessionView, TokenView};
use crate::frame::see_other;
use crate::terminal::visible;

/// Why somebody ends what is his own, for the audit log: it asks him nothing.
const REASON: &str = "by its owner, on the page of his login";

#[derive(Template)]
#[template(path = "console/me.html")]
struct Page {
    shell: Shell,
    name: String,
    role: &'static str,
    sessions: Vec<SessionRow>,
    tokens: Vec<TokenRow>,
}

struct SessionRow {
    id: String,
    device: String,
    from: String,
    since: When,
    seen: When,
    is_this: bool,
}

struct TokenRow {
    id: String,
    label: String,
    role: &'static str,
    by: String,
    tone: &'static str,
    state: &'static str,
    is_good: bool,
    since: When,
    ends: Option<When>,
}

pub(super) async fn page(
    State(console): State<Console>,
    asker: Asker,
    Question(fields): Question,
) -> Result<Response, Fault> {
    let ask = console.ask(&asker);
    let sessions: Vec<SessionView> = ask.get("/api/me/sessions").await?;
    let tokens: Vec<TokenView> = ask.get("/api/me/tokens").await?;
    let moments = console.moments();
    let mut shell = console.shell(&asker, Here::Elsewhere, "Your login");
    shell.notice = done(fields.text("did")).map(str::to_owned);
    show(&Page {
        name: visible(&asker.caller.name),
        role: asker.caller.role.word(),
        sessions: sessions.iter().map(|it| session(it, &moments)).collect(),
        tokens: tokens.iter().map(|it| token(it, &moments)).collect(),
        shell,
    })
}

/// What has just been done.
fn done(did: &str) -> Option<&'static str> {
    Some(match did {
        "password" => "Your password is changed: your other sessions have ended.",
        "second" => "Your app is the second step now: your other sessions have ended.",
        "session" => "The session has ended.",
        "others" => "Your other sessions have ended.",
        "token" => "The token is dead.",
        _ => return None,
    })
}

fn session(view: &SessionView, moments: &Moments) -> SessionRow {
    let device = Some(view.device.as_str()).filter(|device| !device.is_empty());
    SessionRow {
        id: view.id.clone(),
        device: device.unwrap_or("A browser of another kind").to_owned(),
        from: visible(&view.from),
        since: moments.when(view.created),
        seen: moments.when(view.seen),
        is_this: view.this,
    }
}

fn token(view: &TokenView, moments: &Moments) -> TokenRow {
    let (tone, state) = if view.good {
        ("done", "good")
    } else {
        ("trouble", "dead")
    };
    TokenRow {
        id: view.id.clone(),
        label: visible(&view.label),
        role: view.role.word(),
        by: visible(&view.by),
        tone,
        state,
        is_good: view.good,
        since: moments.when(view.created),
        ends: view.expires.map(|at| moments.when(at)),
    }
}

/// One session, or all others.
pub(super) async fn end_sessions(
    State(console): State<Console>,
    sent: Sent,
) -> Result<Response, Fault> {
    let id = sent.fields.some("id").map(str::to_owned);
    let next = if id.is_some() { "session" } else { "others" };
    let query = SessionQuery { id };
    let ask = console.ask(&sent.asker);
    let path = "/api/me/sessions/end";
    let _: Vec<SessionView> = ask.post_because(path, &query, REASON).await?;
    Ok(see_other(&format!("/me?did={next}")))
}

pub(super) async fn end_token(
    State(console): State<Console>,
    sent: Sent,
) -> Result<Response, Fault> {
    let query = RevokeQuery {
        id: sent.fields.text("id").to_owned(),
    };
    let ask = console.ask(&sent.asker);
    let path = "/api/me/tokens/revoke";
    let _: TokenView = ask.post_because(path, &query, REASON).await?;
    Ok(see_other("/me?did=token"))
}
