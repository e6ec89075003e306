//! The users' pages: log in, read, answer, also while the platform is down. Server-rendered, works
//! without script; templates and assets are in the top-level `webmail/`.

mod accounts;
mod allowance;
mod announce;
mod busy;
mod changes;
mod conversations;
mod departed;
mod doubts;
mod drafts;
mod error;
mod filed;
mod frame;
mod front;
mod guard;
mod invitation;
mod invitations;
mod invite_mail;
mod letter;
mod locks;
mod logins;
mod mailbox;
mod marks;
mod markup;
mod moment;
mod notices;
mod notify;
mod opening;
mod outbox;
mod pages;
mod passkeys;
mod people;
mod plain;
mod provider;
mod recipients;
mod renewal;
mod rich;
mod sanitize;
mod scram;
mod search;
mod second;
mod sent;
mod session;
mod settings;
mod sheet;
mod standing;
mod stored;
mod submission;
mod texts;
mod uploads;
mod webauthn;
mod whose;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::HeaderValue;
use axum::routing::{get, post};
use jiff::tz::TimeZone;
use tokio::sync::Semaphore;

pub use accounts::{Account, AccountError, Accounts, INVITATION_LIFE, LoginError};
pub use front::{Front, KnownBy, Person, Verdict};
pub use invitations::Invited;
pub use invite_mail::{InvitationMail, Mailed};
pub use provider::{ProviderLogin, SecondStep};
pub use renewal::OldPasskeys;
pub use rich::narrow as narrow_html;
pub use sanitize::harmless_html;
pub use scram::KeepKeys;
pub use sheet::{Slip, sheet_page, sheet_text};
pub use standing::HealthView;
pub use submission::{ProgramError, Writer};
pub use webauthn::{AuthenticatorData, ClientData, Refusal};

use crate::activation::Activation;
use crate::backend::BackendHealth;
use crate::base::{Clock, Entropy, Timestamp};
use crate::directory::DirectoryHandle;
use crate::limits;
use crate::mail::BackendId;
use crate::notice::Hours;
use crate::route::{self, Admit};
use crate::spool::Spool;
use locks::Locks;
use marks::Marks;
use moment::Moments;
use people::People;
use session::Sessions;
use texts::Texts;

impl HealthView for route::Router {
    fn health(&self, backend: &BackendId) -> Option<BackendHealth> {
        self.board().health(backend)
    }

    fn moving(&self, domain: &str) -> Option<Timestamp> {
        let book = self.holds().book();
        let known = book.the_move(domain).filter(|_| book.is_moving(domain));
        known.map(|one| one.since)
    }
}

/// Settings of the webmail.
#[derive(Debug, Clone)]
pub struct Options {
    /// Our name, for `Received` and `Message-ID`.
    pub hostname: String,
    /// What the pages are called: the organisation, or the program.
    pub title: String,
    /// How users reach the pages, without slash at the end: `https://mail.example.org`. With
    /// `https` the cookies are for TLS only.
    pub base_url: String,
    /// The time zone that times are shown in.
    pub time_zone: TimeZone,
    /// Names of backends for people; without one the id is shown.
    pub platforms: BTreeMap<BackendId, String>,
    /// Whose word is taken for where a visitor comes from.
    pub proxy: Proxy,
    /// What users may send.
    pub writing: Writing,
    /// Notices to second addresses when it opens for somebody and when that is over, never nearer
    /// to each other than this; `None`: no notices.
    pub notices: Option<Duration>,
}

/// What users may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Writing {
    /// A letter can be called back for this long after it was sent; zero: it leaves at once.
    pub undo_send: Duration,
    /// Bytes of all files of a letter, before they are encoded.
    pub max_attachments: u64,
    /// Letters that a user may send within an hour.
    pub messages_per_hour: u32,
    /// Recipients that they may have, together.
    pub recipients_per_hour: u32,
}

impl Default for Writing {
    fn default() -> Self {
        Self {
            undo_send: Duration::from_secs(10),
            max_attachments: 25 * 1024 * 1024,
            messages_per_hour: 100,
            recipients_per_hour: 500,
        }
    }
}

/// Is a proxy of our own in front of the pages?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Proxy {
    /// Visitors connect to us.
    #[default]
    None,
    /// A proxy does, and puts the visitor's address at the end of `X-Forwarded-For`.
    ForwardedFor,
}

/// What the webmail stands on.
#[derive(Debug, Clone)]
pub struct World {
    /// The mail.
    pub spool: Spool,
    /// Who may log in.
    pub accounts: Accounts,
    /// Whom mail may go to.
    pub admit: Arc<dyn Admit>,
    /// How the backends are.
    pub health: Arc<dyn HealthView>,
    /// For whom it is open.
    pub activation: Activation,
    /// Names of people.
    pub directory: DirectoryHandle,
    /// The time.
    pub clock: Clock,
    /// Tokens.
    pub entropy: Entropy,
    /// Somebody else who lets people in.
    pub provider: Option<ProviderLogin>,
}

/// The webmail; cheap to clone.
#[derive(Debug, Clone)]
pub struct Webmail(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: Options,
    /// What browsers may load into our pages.
    policy: HeaderValue,
    world: World,
    sessions: Sessions,
    /// Messages that are parsed at one time; each takes a few times its size in memory.
    parsing: Arc<Semaphore>,
    /// What lists remember of messages.
    conversations: conversations::Conversations,
    /// What users did with their messages.
    marks: Arc<Marks>,
    /// Held while an account's letters are changed.
    letters: Locks,
    /// A letter is on its way out.
    leaving: tokio::sync::Notify,
    /// From which pages letters left.
    pages: departed::Pages,
    /// The people of the directory.
    people: People,
    /// What searches remember.
    search: search::Search,
    /// Whose letters are.
    owners: sent::Owners,
    /// What accounts stored within the hour.
    uploaded: allowance::Uploaded,
    /// Who has had nearly all that he may send within an hour.
    hours: Hours,
    /// What programs handed in within the hour.
    handed: submission::Handed,
    /// Which logins are written to the program's log.
    logins: logins::Logins,
    /// Ways into accounts that have changed.
    changes: changes::Changes,
    /// Who goes to a login provider and comes back.
    visits: provider::Visits,
    /// Who we are to passkeys; `None` where browsers have none.
    relying: Option<webauthn::Relying>,
}

impl Webmail {
    /// A webmail that is not served yet.
    #[must_use]
    pub fn new(world: World, options: Options) -> Self {
        let accounts = world.accounts.knowing(world.directory.clone());
        let world = World { accounts, ..world };
        let sessions = Sessions::new(
            world.spool.clone(),
            world.accounts.clone(),
            world.clock.clone(),
            world.entropy.clone(),
        );
        let marks = Arc::new(Marks::new(world.spool.clone()));
        let relying = webauthn::Relying::at(&options.base_url, &world.entropy);
        Self(Arc::new(Inner {
            options,
            policy: frame::policy(),
            world,
            sessions,
            parsing: Arc::new(Semaphore::new(limits::WEB_PARSING)),
            conversations: conversations::Conversations::default(),
            marks,
            letters: Locks::new(),
            leaving: tokio::sync::Notify::new(),
            pages: departed::Pages::default(),
            people: People::default(),
            search: search::Search::new(),
            owners: sent::Owners::default(),
            uploaded: allowance::Uploaded::default(),
            hours: Hours::default(),
            handed: submission::Handed::default(),
            logins: logins::Logins::default(),
            changes: changes::Changes::default(),
            visits: provider::Visits::default(),
            relying,
        }))
    }

    /// The link that an invitation's token belongs into.
    #[must_use]
    pub fn invitation_link(&self, token: &str) -> String {
        invitation_link(&self.0.options.base_url, token)
    }

    fn is_secure(&self) -> bool {
        self.0.options.base_url.starts_with("https:")
    }

    fn moments(&self, texts: &'static Texts) -> Moments {
        Moments {
            texts,
            zone: self.0.options.time_zone.clone(),
            now: self.0.world.clock.now(),
        }
    }
}

/// The link that an invitation's token belongs into.
#[must_use]
pub fn invitation_link(base_url: &str, token: &str) -> String {
    format!("{}/invite/{token}", base_url.trim_end_matches('/'))
}

/// The ways in and out.
fn logins() -> Router<Webmail> {
    Router::new()
        .route("/login", get(pages::login::page).post(pages::login::log_in))
        .route("/login/second", post(pages::second::step))
        .route("/login/provider", get(pages::provider::begin))
        .route("/login/provider/back", get(pages::provider::back))
        .route("/login/passkey", post(pages::passkey_login::log_in))
        .route(
            "/login/passkey/options",
            post(pages::passkey_login::options),
        )
        .route("/logout", post(pages::login::log_out))
}

/// All pages. Serve it with `into_make_service_with_connect_info::<SocketAddr>()`, or put a
/// `ConnectInfo<SocketAddr>` into the extensions of each request: login tries are counted by it.
pub fn router(webmail: Webmail) -> Router {
    // Beyond what a letter may have there is room to read on, and to say so in a page.
    let most = webmail.0.options.writing.max_attachments.saturating_mul(2);
    let letter = usize::try_from(most)
        .unwrap_or(usize::MAX)
        .saturating_add(2 * limits::WEB_TYPED);
    let compose = get(pages::compose::page)
        .post(pages::send::post)
        .layer(DefaultBodyLimit::max(letter));
    Router::new()
        .merge(logins())
        .route("/invite", get(pages::code::page).post(pages::code::typed))
        .route(
            "/invite/{token}",
            get(pages::invite::page).post(pages::invite::set_password),
        )
        .route("/", get(pages::list::inbox))
        .route("/sent", get(pages::list::sent))
        .route("/drafts", get(pages::drafts::page))
        .route("/archive", get(pages::list::archive))
        .route("/deleted", get(pages::list::deleted))
        .route("/search", get(pages::search::page))
        .route("/actions", post(pages::actions::act))
        .route("/message/{id}", get(pages::message::page))
        .route("/message/{id}/html", get(pages::message::html))
        .route("/message/{id}/print", get(pages::print::page))
        .route("/message/{id}/source", get(pages::parts::source))
        .route("/message/{id}/part/{number}", get(pages::parts::part))
        .route("/message/{id}/answer", post(pages::answer::post))
        .route("/message/{id}/reply", get(pages::compose::reply))
        .route("/message/{id}/reply-all", get(pages::compose::reply_all))
        .route("/message/{id}/forward", get(pages::compose::forward))
        .route("/compose", compose)
        .route("/compose/discard", post(pages::send::discard))
        .route("/undo", post(pages::send::undo))
        .route("/people", get(pages::people::find))
        .route(
            "/settings",
            get(pages::settings::page).post(pages::settings::save),
        )
        .route("/keys", get(pages::help::keys))
        .route("/security", get(pages::security::page))
        .route("/security/password", post(pages::security::change_password))
        .route(
            "/security/second",
            get(pages::second::setup).post(pages::second::switch_on),
        )
        .route("/security/second/change", post(pages::second::change))
        .route(
            "/security/passkey",
            get(pages::passkeys::setup).post(pages::passkeys::add),
        )
        .route("/security/passkey/options", post(pages::passkeys::options))
        .route("/security/passkey/remove", post(pages::passkeys::remove))
        .route("/security/sessions", post(pages::security::end))
        .route(frame::STYLE_PATH, get(frame::style))
        .route(frame::SCRIPT_PATH, get(frame::script))
        .route("/icon.svg", get(frame::icon))
        .layer(DefaultBodyLimit::max(limits::FORM))
        .layer(axum::middleware::from_fn_with_state(
            webmail.clone(),
            frame::around,
        ))
        .with_state(webmail)
}

#[cfg(test)]
mod tests;
