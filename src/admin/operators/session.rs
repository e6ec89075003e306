//! Sessions: a random token in a cookie, its digest as a fact of the spool.

use std::net::IpAddr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::login::Proven;
use super::record::Operator;
use super::{Operators, Role};
use crate::admin::AdminError;
use crate::base::Timestamp;
use crate::credential::{digest, is_token, same};
use crate::frame::device;
use crate::limits;
use crate::spool::SpoolError;

/// Sessions, as facts.
const SESSIONS: &str = "operator-session";
/// That somebody is still there is written down so often.
const SEEN: Duration = Duration::from_secs(60);
/// Digits of a digest that name a session.
const ID: usize = 12;

/// What is kept under the digest of the token.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Stored {
    operator: String,
    generation: u32,
    created: Timestamp,
    expires: Timestamp,
    seen: Timestamp,
    from: String,
    /// What the browser calls itself.
    #[serde(default)]
    agent: String,
}

/// Where a session is begun.
#[derive(Debug, Clone)]
pub(in crate::admin) struct Origin {
    pub(in crate::admin) from: IpAddr,
    /// What the browser calls itself.
    pub(in crate::admin) agent: String,
}

/// A session, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionView {
    /// By this it is ended; it tells nothing of what the browser sends.
    pub id: String,
    /// Whose it is.
    pub operator: String,
    /// The address from which it was begun.
    pub from: String,
    /// What its browser calls itself, in two words; empty when that is not known.
    pub device: String,
    /// Begun when.
    pub created: Timestamp,
    /// Something was asked in it last, to a minute.
    pub seen: Timestamp,
    /// It ends then at the latest.
    pub expires: Timestamp,
    /// It is the one that asks.
    pub this: bool,
}

/// Which sessions end.
#[derive(Debug, Clone, Copy)]
pub(in crate::admin) enum Ending<'a> {
    /// The one of this name.
    One(&'a str),
    /// All but the one that asks, if one does.
    Others(Option<&'a str>),
    /// All.
    All,
}

/// The name of the session of a token.
pub(in crate::admin) fn session_id(token: &str) -> String {
    short(&digest(SESSIONS, token))
}

fn short(id: &str) -> String {
    id.chars().take(ID).collect()
}

/// Somebody who is logged in with his browser.
#[derive(Debug, Clone)]
pub(in crate::admin) struct Session {
    pub(in crate::admin) name: String,
    pub(in crate::admin) role: Role,
    /// He has to set up his second step before anything else.
    pub(in crate::admin) lacks_second: bool,
    /// A login of his takes a code.
    pub(in crate::admin) has_second: bool,
    id: String,
    csrf: String,
}

impl Session {
    /// The token that his forms carry.
    pub(in crate::admin) fn csrf(&self) -> &str {
        &self.csrf
    }

    /// Does a form come from one of our pages?
    pub(in crate::admin) fn allows(&self, csrf: &str) -> bool {
        same(&self.csrf, csrf)
    }
}

impl Operators {
    /// Begins a session: the token for the cookie. What there was before the login is not used, so
    /// nobody can put a session of his choice under somebody.
    pub(in crate::admin) async fn begin(
        &self,
        proven: &Proven,
        origin: Origin,
    ) -> Result<String, AdminError> {
        let operator = &proven.0;
        self.clear_sessions(operator).await?;
        let (token, now) = (self.0.entropy.token(), self.0.clock.now());
        let stored = Stored {
            operator: operator.name.clone(),
            generation: operator.generation,
            created: now,
            expires: now.after(self.0.options.life),
            seen: now,
            from: origin.from.to_canonical().to_string(),
            agent: origin.agent,
        };
        let id = digest(SESSIONS, &token);
        self.store(SESSIONS, &id, &stored).await?;
        Ok(token)
    }

    /// The session of a token, while it is good.
    pub(in crate::admin) async fn session(
        &self,
        token: &str,
    ) -> Result<Option<Session>, SpoolError> {
        if !is_token(token) {
            return Ok(None);
        }
        let id = digest(SESSIONS, token);
        let now = self.0.clock.now();
        let stored: Option<Stored> = self.load(SESSIONS, id.clone()).await?;
        let Some(stored) = stored.filter(|stored| self.is_good(stored, now)) else {
            return Ok(None);
        };
        let operator = self.find(&stored.operator).await?;
        let Some(operator) = operator.filter(|one| stored.is_of(one)) else {
            return Ok(None);
        };
        if now.since(stored.seen) >= SEEN.min(self.0.options.idle / 4) {
            self.note_seen(&id, now).await;
        }
        Ok(Some(Session {
            lacks_second: self.lacks_second(&operator),
            has_second: operator.second.is_some(),
            name: operator.name,
            role: operator.role,
            csrf: digest("operator csrf", token),
            id,
        }))
    }

    fn is_good(&self, stored: &Stored, now: Timestamp) -> bool {
        stored.expires > now && now.since(stored.seen) < self.0.options.idle
    }

    /// He is still there. A session that was ended meanwhile stays ended; when it cannot be written
    /// down now, then at the next request.
    async fn note_seen(&self, id: &str, now: Timestamp) {
        let _changing = self.0.changing.lock().await;
        let stored = self.load::<Stored>(SESSIONS, id.to_owned()).await;
        let Ok(Some(mut stored)) = stored else {
            return;
        };
        stored.seen = now;
        if let Err(error) = self.store(SESSIONS, id, &stored).await {
            tracing::warn!(%error, "that an operator is there cannot be written down");
        }
    }

    /// Ends a session.
    pub(in crate::admin) async fn end(&self, session: &Session) -> Result<(), SpoolError> {
        let _changing = self.0.changing.lock().await;
        self.0.spool.put_fact(SESSIONS, &session.id, None).await
    }

    /// Where somebody is logged in, the newest first. `this` is the session that asks.
    pub(super) async fn sessions(
        &self,
        name: &str,
        this: Option<&str>,
    ) -> Result<Vec<SessionView>, AdminError> {
        let operator = self.expect(name).await?;
        let own = self.sessions_of(&operator).await?;
        let mut views: Vec<_> = own
            .iter()
            .map(|(id, stored)| stored.view(id, this))
            .collect();
        views.sort_by_key(|one| std::cmp::Reverse(one.created));
        Ok(views)
    }

    async fn sessions_of(&self, operator: &Operator) -> Result<Vec<(String, Stored)>, SpoolError> {
        let now = self.0.clock.now();
        let mut own = self.facts::<Stored>(SESSIONS).await?;
        own.retain(|(_, stored)| {
            let is_his = stored.operator == operator.name;
            is_his && stored.is_of(operator) && self.is_good(stored, now)
        });
        Ok(own)
    }

    /// Ends sessions of somebody: those that have ended.
    pub(super) async fn end_sessions(
        &self,
        name: &str,
        ending: Ending<'_>,
    ) -> Result<Vec<SessionView>, AdminError> {
        let _changing = self.0.changing.lock().await;
        let operator = self.expect(name).await?;
        let ends = |id: &str| match ending {
            Ending::One(wanted) => short(id) == wanted,
            Ending::Others(this) => this != Some(&*short(id)),
            Ending::All => true,
        };
        let mut ended = Vec::new();
        for (id, stored) in self.sessions_of(&operator).await? {
            if ends(&id) {
                self.0.spool.put_fact(SESSIONS, &id, None).await?;
                ended.push(stored.view(&id, None));
            }
        }
        match ending {
            Ending::One(wanted) if ended.is_empty() => Err(AdminError::NotFound {
                what: format!("{} has no session {wanted:?}", operator.name),
                hint: "`tideover operator session list` shows them",
            }),
            Ending::One(_) | Ending::Others(_) | Ending::All => Ok(ended),
        }
    }

    /// What is over goes; of one operator the newest stay.
    async fn clear_sessions(&self, operator: &Operator) -> Result<(), SpoolError> {
        let _changing = self.0.changing.lock().await;
        let now = self.0.clock.now();
        let mut own = Vec::new();
        for (id, stored) in self.facts::<Stored>(SESSIONS).await? {
            if !self.is_good(&stored, now) {
                self.0.spool.put_fact(SESSIONS, &id, None).await?;
            } else if stored.operator == operator.name {
                own.push((stored.created, id));
            }
        }
        own.sort_unstable();
        let over = (own.len() + 1).saturating_sub(limits::OPERATOR_SESSIONS);
        for (_, id) in own.into_iter().take(over) {
            self.0.spool.put_fact(SESSIONS, &id, None).await?;
        }
        Ok(())
    }
}

impl Stored {
    /// Was it begun by the login that he has now?
    fn is_of(&self, operator: &Operator) -> bool {
        !operator.disabled && operator.generation == self.generation
    }

    fn view(&self, id: &str, this: Option<&str>) -> SessionView {
        let id = short(id);
        SessionView {
            this: this == Some(&*id),
            id,
            operator: self.operator.clone(),
            from: self.from.clone(),
            device: device(&self.agent).unwrap_or_default(),
            created: self.created,
            seen: self.seen,
            expires: self.expires,
        }
    }
}
