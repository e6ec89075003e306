//! What is around every page of the console.

use askama::Template;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};

use super::Console;
use super::asker::{Asker, Csrf, expect_question};
use super::fault::Fault;
use crate::admin::{Caller, Role};
use crate::frame::{self, versioned};

const LOOK: &str = include_str!("../../../webmail/assets/console.css");
const SCRIPT: &str = include_str!("../../../webmail/assets/console.js");
/// Where the style of the console is.
pub(super) const LOOK_PATH: &str = "/console.css";
/// Where its little script is.
pub(super) const SCRIPT_PATH: &str = "/console.js";

/// A page of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Here {
    Overview,
    Queue,
    Trace,
    Cases,
    Backends,
    Holds,
    Devices,
    Directory,
    Users,
    Movers,
    Drills,
    Audit,
    Config,
    Mailboxes,
    Elsewhere,
}

impl Here {
    /// The navigation: page, address, name.
    const ALL: [(Self, &'static str, &'static str); 14] = [
        (Self::Overview, "/", "Overview"),
        (Self::Queue, "/queue", "Queue"),
        (Self::Trace, "/trace", "Trace"),
        (Self::Cases, "/cases", "Cases"),
        (Self::Backends, "/backends", "Backends"),
        (Self::Holds, "/holds", "Holds and moves"),
        (Self::Directory, "/directory", "Directory"),
        (Self::Users, "/users", "Users"),
        (Self::Devices, "/devices", "Devices"),
        (Self::Movers, "/waves", "Waves and replays"),
        (Self::Mailboxes, "/mailboxes", "Mailboxes"),
        (Self::Drills, "/drills", "Drills"),
        (Self::Audit, "/audit", "Audit log"),
        (Self::Config, "/config", "Config"),
    ];
}

impl Here {
    /// What the page of the navigation is called to which a path belongs.
    pub(super) fn name_of(path: &str) -> &'static str {
        let room = |path: &str| path.split(['/', '?']).nth(1).map(str::to_owned);
        let mut all = Self::ALL.into_iter();
        match all.find(|(_, page, _)| room(page) == room(path)) {
            Some((_, _, name)) => name,
            None => "your login",
        }
    }
}

/// What is around the content.
#[derive(Debug)]
pub(super) struct Shell {
    pub(super) title: String,
    pub(super) style: String,
    pub(super) look: String,
    pub(super) script: String,
    /// Address, name, and whether it is this page.
    pub(super) pages: Vec<(&'static str, &'static str, bool)>,
    /// Who looks; none on a page for nobody.
    pub(super) who: Option<Caller>,
    pub(super) csrf: String,
    /// His login takes a code of an app.
    pub(super) has_second: bool,
    /// In which time zone the times are.
    pub(super) zone: String,
    /// Something that has just been done.
    pub(super) notice: Option<String>,
}

impl Console {
    pub(super) fn shell(&self, asker: &Asker, here: Here, title: &str) -> Shell {
        Shell {
            who: Some(asker.caller.clone()),
            csrf: asker.csrf.word.clone(),
            has_second: asker.csrf.has_second,
            pages: Here::ALL
                .into_iter()
                .filter(|(page, ..)| *page != Here::Config || asker.may(Role::Operator))
                .map(|(page, path, name)| (path, name, page == here))
                .collect(),
            ..self.bare(title)
        }
    }

    fn bare(&self, title: &str) -> Shell {
        Shell {
            title: title.to_owned(),
            style: frame::style_address(),
            look: versioned(LOOK_PATH, LOOK),
            script: versioned(SCRIPT_PATH, SCRIPT),
            pages: Vec::new(),
            who: None,
            csrf: String::new(),
            has_second: false,
            zone: self.moments().zone_name(),
            notice: None,
        }
    }
}

/// Letters of a text that is shown at once; what is longer opens.
const HEAD: usize = 160;

/// How a text begins that is too long to be shown at once.
pub(super) fn head(text: &str) -> Option<String> {
    let is_long = text.chars().nth(HEAD + HEAD / 4).is_some();
    is_long.then(|| text.chars().take(HEAD).collect())
}

/// Writes a page.
pub(super) fn show(page: &impl Template) -> Result<Response, Fault> {
    let page = page.render().map_err(|error| Fault::ours(&error))?;
    Ok(Html(page).into_response())
}

/// Marks an answer that has the status of an error, and a page of its own.
#[derive(Debug, Clone, Copy)]
struct OwnPage;

/// Writes a page that says what is wrong beside what was typed.
pub(super) fn show_with(status: StatusCode, page: &impl Template) -> Result<Response, Fault> {
    let mut response = (status, show(page)?).into_response();
    response.extensions_mut().insert(OwnPage);
    Ok(response)
}

#[derive(Template)]
#[template(path = "console/fault.html")]
struct FaultPage {
    shell: Shell,
    what: String,
    hint: String,
}

/// Puts the security headers on everything and a page on every fault.
pub(super) async fn around(
    State(console): State<Console>,
    request: Request,
    next: Next,
) -> Response {
    let site = request.headers().get("sec-fetch-site");
    let foreign = frame::is_foreign_post(request.method(), site);
    let extensions = request.extensions();
    let asker = extensions
        .get::<Caller>()
        .zip(extensions.get::<Csrf>())
        .map(|(caller, csrf)| Asker {
            caller: caller.clone(),
            csrf: csrf.clone(),
            proof: None,
        });
    let odd = (request.method() == Method::GET).then(|| expect_question(request.uri()));
    let mut response = match odd {
        _ if foreign => Fault::foreign().into_response(),
        Some(Err(fault)) => fault.into_response(),
        Some(Ok(())) | None => next.run(request).await,
    };
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let is_bare = is_error && response.extensions_mut().remove::<OwnPage>().is_none();
    let fault = response.extensions_mut().remove::<Fault>();
    // What a framework refuses by itself gets a page, too.
    if let Some(fault) = fault.or_else(|| is_bare.then(|| Fault::of_status(status))) {
        response = fault_page(&console, asker.as_ref(), fault, response);
    }
    frame::secure(response.headers_mut(), &console.0.policy);
    response
}

fn fault_page(
    console: &Console,
    asker: Option<&Asker>,
    fault: Fault,
    response: Response,
) -> Response {
    let title = match fault.status.as_u16() {
        404 => "Not found",
        401 => "Log in",
        403 => "Not allowed",
        400..=499 => "That does not work",
        503 => "Not now",
        _ => "An error of ours",
    };
    let shell = match asker {
        Some(asker) => console.shell(asker, Here::Elsewhere, title),
        None => console.bare(title),
    };
    let page = FaultPage {
        shell,
        what: fault.what,
        hint: fault.hint,
    };
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(axum::http::header::CONTENT_LENGTH);
    parts.headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    let page = page.render().unwrap_or_else(|_| title.to_owned());
    Response::from_parts(parts, axum::body::Body::from(page))
}

pub(super) async fn look() -> Response {
    frame::asset("text/css; charset=utf-8", LOOK)
}

pub(super) async fn script() -> Response {
    frame::asset("text/javascript; charset=utf-8", SCRIPT)
}
