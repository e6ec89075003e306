//! What is around every page: the shell of the HTML, the security headers, the pages of errors,
//! the assets.

use askama::Template;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderName, STRICT_TRANSPORT_SECURITY};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};

use super::Webmail;
use super::error::WebError;
use super::guard::{User, Visitor};
use super::mailbox::Folder;
use super::standing::{Banner, Teller};
use super::texts::{Texts, fill};
use crate::frame::{self, STYLE, is_foreign_post, versioned};
pub(crate) use crate::frame::{STYLE_PATH, icon, policy, see_other, style};

const SCRIPT: &str = include_str!("../../webmail/assets/app.js");

/// Where the little script is that makes some things quicker.
pub(crate) const SCRIPT_PATH: &str = "/app.js";

/// Which item of the navigation a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Here {
    Folder(Folder),
    Write,
    Elsewhere,
}

/// What is around the content of every page.
#[derive(Debug)]
pub(crate) struct Shell {
    pub t: &'static Texts,
    pub title: String,
    pub site: String,
    pub style: String,
    /// The style itself: in the pages of who is not logged in, so that the first one is whole when
    /// it is there.
    pub style_itself: &'static str,
    pub script: String,
    pub here: Here,
    pub user: Option<ShellUser>,
    pub banner: Option<Banner>,
    /// What he may do, if that is not everything.
    pub opening: Option<Banner>,
    /// Something that has just been done.
    pub notice: Option<String>,
    /// A letter that can still be called back.
    pub undo: Option<Undo>,
    /// What was looked for.
    pub search: String,
}

/// A letter that can still be called back.
#[derive(Debug)]
pub(crate) struct Undo {
    pub token: String,
    /// Seconds until it leaves.
    pub seconds: u64,
}

/// The user, as the shell shows him.
#[derive(Debug)]
pub(crate) struct ShellUser {
    pub address: String,
    pub csrf: String,
    /// Single keys do something.
    pub has_keys: bool,
    /// He may change something.
    pub may_write: bool,
    /// Empty while the webmail is not open for him.
    pub folders: Vec<FolderLink>,
}

impl Shell {
    pub(crate) fn is_write(&self) -> bool {
        self.here == Here::Write
    }
}

/// A line of the navigation.
#[derive(Debug)]
pub(crate) struct FolderLink {
    pub name: &'static str,
    pub path: &'static str,
    /// The keys that lead there.
    pub keys: &'static str,
    pub is_here: bool,
    /// How many are unread, or wait; empty for none.
    pub count: String,
    /// The same for who hears the page.
    pub count_read_out: String,
}

impl Webmail {
    /// The shell of a page for somebody who is not logged in.
    pub(crate) fn shell(&self, texts: &'static Texts, title: &str) -> Shell {
        Shell {
            t: texts,
            title: title.to_owned(),
            site: self.0.options.title.clone(),
            style_itself: STYLE,
            style: frame::style_address(),
            script: versioned(SCRIPT_PATH, SCRIPT),
            here: Here::Elsewhere,
            user: None,
            banner: None,
            opening: None,
            notice: None,
            undo: None,
            search: String::new(),
        }
    }

    /// The shell of a user's page.
    pub(crate) async fn user_shell(
        &self,
        user: &User,
        title: &str,
        here: Here,
    ) -> Result<Shell, WebError> {
        let unread = if user.may_read() {
            self.unread(user).await?
        } else {
            0
        };
        let settings = self.settings(&user.account()).await?;
        let texts = user.visitor.texts;
        let moments = self.moments(texts);
        let teller = Teller {
            moments: &moments,
            health: self.0.world.health.as_ref(),
            platforms: &self.0.options.platforms,
        };
        let link = |folder: Folder| {
            let unread = if folder == Folder::Inbox { unread } else { 0 };
            let count = match unread {
                0 => String::new(),
                1..100 => unread.to_string(),
                _ => "99+".to_owned(),
            };
            FolderLink {
                name: folder.name(texts),
                path: folder.path(),
                keys: folder.keys(),
                is_here: here == Here::Folder(folder),
                count_read_out: fill(texts.unread_count, &[("count", &count)]),
                count,
            }
        };
        Ok(Shell {
            here,
            user: Some(ShellUser {
                address: user.address().to_string(),
                csrf: user.session.csrf.clone(),
                has_keys: settings.has_keys,
                may_write: user.may_write(),
                folders: if user.may_read() {
                    Folder::ALL.into_iter().map(link).collect()
                } else {
                    Vec::new()
                },
            }),
            opening: user.opening(texts),
            banner: teller
                .moving(&user.address().domain().key())
                .or_else(|| teller.banner(user.home.as_ref()?))
                .filter(|_| user.may_read()),
            ..self.shell(texts, title)
        })
    }
}

/// Writes a page.
pub(crate) fn show(page: &impl Template) -> Result<Response, WebError> {
    Ok(Html(page.render()?).into_response())
}

#[derive(Template)]
#[template(path = "notice.html")]
struct NoticePage {
    shell: Shell,
    text: String,
}

/// Puts the security headers on everything and a page on every error.
pub(crate) async fn around(
    State(webmail): State<Webmail>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let foreign = is_foreign_post(&parts.method, parts.headers.get("sec-fetch-site"));
    let visitor = Visitor::from_request_parts(&mut parts, &webmail).await;
    let mut response = if foreign {
        WebError::Expired.into_response()
    } else {
        next.run(Request::from_parts(parts, body)).await
    };
    let status = response.status();
    if let (true, Ok(visitor)) = (
        status.is_client_error() || status.is_server_error(),
        visitor,
    ) && response.headers().get(PAGE).is_none()
    {
        let error = response.extensions_mut().remove::<WebError>();
        let error = error.unwrap_or_else(|| WebError::of_status(status));
        response = error_page(&webmail, visitor.texts, &error, response);
    }
    response.headers_mut().remove(PAGE);
    add_headers(&webmail, &mut response);
    response
}

/// Marks a response that has an error's status and a page of its own. Never sent.
pub(crate) const PAGE: HeaderName = HeaderName::from_static("x-tideover-page");

/// A page with an error's status.
pub(crate) fn show_with(status: StatusCode, page: &impl Template) -> Result<Response, WebError> {
    let mut response = (status, show(page)?).into_response();
    response
        .headers_mut()
        .insert(PAGE, HeaderValue::from_static("1"));
    Ok(response)
}

/// A page that says one thing.
pub(crate) fn show_notice(
    webmail: &Webmail,
    texts: &'static Texts,
    (status, title, text): (StatusCode, &str, String),
) -> Result<Response, WebError> {
    let shell = webmail.shell(texts, title);
    show_with(status, &NoticePage { shell, text })
}

/// The webmail is not open: what can be done is another thing.
#[derive(Template)]
#[template(path = "closed.html")]
struct ClosedPage {
    shell: Shell,
    text: String,
}

fn error_page(
    webmail: &Webmail,
    texts: &'static Texts,
    error: &WebError,
    response: Response,
) -> Response {
    let (title, text) = error.words(texts);
    let shell = webmail.shell(texts, title);
    let (mut parts, _) = response.into_parts();
    let text = text.to_owned();
    let page = if *error == WebError::NotOpen {
        ClosedPage { shell, text }.render()
    } else {
        NoticePage { shell, text }.render()
    };
    parts.headers.remove(axum::http::header::CONTENT_LENGTH);
    parts.headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    let page = page.unwrap_or_else(|_| title.to_owned());
    Response::from_parts(parts, axum::body::Body::from(page))
}

fn add_headers(webmail: &Webmail, response: &mut Response) {
    let headers = response.headers_mut();
    frame::secure(headers, &webmail.0.policy);
    if webmail.is_secure() {
        headers.insert(
            STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000"),
        );
    }
}

pub(crate) async fn script() -> Response {
    frame::asset("text/javascript; charset=utf-8", SCRIPT)
}
