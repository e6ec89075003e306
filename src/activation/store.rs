//! Rules and outages, shared, and kept as facts of the log: they outlive the process.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::members::members_of;
use super::{Book, Mode, Outage, Patience, Person, Rule, Ruling, Scope, Setting, rule_for, step};
use crate::backend::{Board, Health};
use crate::base::{Clock, Shutdown};
use crate::directory::{Directory, DirectoryHandle};
use crate::mail::BackendId;
use crate::spool::{Spool, SpoolError};

/// The room under which the facts stand in the log.
const ROOM: &str = "activation";
/// The rules; the scope follows.
const RULE: &str = "rule/";
/// Outages that are not over; the backend's name follows.
const OUTAGE: &str = "outage/";
/// From one look at the backends to the next.
const LOOK: Duration = Duration::from_secs(5);

/// What the config says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// What holds where no operator says anything.
    pub base: Setting,
    /// When outages begin and end.
    pub patience: Patience,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            base: Setting::Full,
            patience: Patience {
                open_after: Duration::from_secs(10 * 60),
                close_after: Duration::from_secs(30 * 60),
            },
        }
    }
}

/// What an operator wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// For whom.
    pub scopes: Vec<Scope>,
    /// What; `None`: the rules about them end.
    pub setting: Option<Setting>,
    /// Who says so.
    pub actor: String,
    /// Why.
    pub reason: String,
}

/// What the log says.
#[derive(Debug, Default)]
struct State {
    book: Book,
    outages: BTreeMap<BackendId, Outage>,
}

/// For whom the webmail is open; cheap to clone.
#[derive(Clone)]
pub struct Activation(Arc<Inner>);

struct Inner {
    spool: Spool,
    directory: DirectoryHandle,
    board: Board,
    clock: Clock,
    options: Options,
    /// `None` until the log was read.
    state: Mutex<Option<Arc<State>>>,
    groups: Mutex<Groups>,
    /// One change at a time.
    writing: tokio::sync::Mutex<()>,
}

/// The people of the groups that rules name, in one generation of the directory.
#[derive(Default)]
struct Groups {
    of: Option<Arc<Directory>>,
    people: HashMap<String, Arc<HashSet<String>>>,
}

impl fmt::Debug for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Activation").field(&self.0.options).finish()
    }
}

impl Activation {
    /// Nothing is read before somebody asks: the index may still be made.
    #[must_use]
    pub fn new(
        spool: Spool,
        (directory, board): (DirectoryHandle, Board),
        clock: Clock,
        options: Options,
    ) -> Self {
        Self(Arc::new(Inner {
            spool,
            directory,
            board,
            clock,
            options,
            state: Mutex::default(),
            groups: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
        }))
    }

    /// What holds now, to be asked about many. Reads the index the first time.
    ///
    /// # Errors
    /// When the index fails, or is being made.
    pub fn moment(&self) -> Result<Moment, SpoolError> {
        Ok(Moment {
            activation: self.clone(),
            state: self.state()?,
            directory: self.0.directory.current(),
        })
    }

    /// Writes a wish down, then lets it hold.
    ///
    /// # Errors
    /// When it could not be written; what was written before that holds.
    pub async fn say(&self, wish: Wish) -> Result<(), SpoolError> {
        let _one_at_a_time = self.0.writing.lock().await;
        self.state()?;
        let now = self.0.clock.now();
        for scope in wish.scopes {
            let rule = wish.setting.map(|setting| Rule {
                setting,
                actor: wish.actor.clone(),
                reason: wish.reason.clone(),
                since: now,
            });
            let key = format!("{RULE}{scope}");
            write(&self.0.spool, &key, rule.as_ref()).await?;
            let setting = wish.setting.map_or("as others", Setting::as_str);
            let (actor, reason) = (&wish.actor, &wish.reason);
            tracing::warn!(%scope, setting, actor, reason, "the webmail is set");
            self.change(|state| match rule {
                Some(rule) => {
                    state.book.rules.insert(scope, rule);
                }
                None => {
                    state.book.rules.remove(&scope);
                }
            });
        }
        Ok(())
    }

    /// Looks at the backends: outages begin and end, durably.
    ///
    /// # Errors
    /// When it could not be written; it is found again at the next look.
    pub async fn look(&self) -> Result<(), SpoolError> {
        let _one_at_a_time = self.0.writing.lock().await;
        let state = self.state()?;
        let healths = self.0.board.healths();
        let backends: HashSet<&BackendId> = healths.keys().chain(state.outages.keys()).collect();
        for backend in backends {
            let health = healths.get(backend);
            let is_down =
                |it: &&crate::backend::BackendHealth| it.health == Health::Down && !it.takes_mail();
            let down = health.filter(is_down).map(|it| it.since);
            let known = state.outages.get(backend);
            let now = (self.0.clock.now(), self.0.options.patience);
            let next = step(known.cloned(), down, now);
            if next.as_ref() == known {
                continue;
            }
            let key = format!("{OUTAGE}{backend}");
            write(&self.0.spool, &key, next.as_ref()).await?;
            match (known, &next) {
                (None, Some(_)) => tracing::warn!(%backend, "an outage begins for the webmail"),
                (Some(_), None) => tracing::warn!(%backend, "an outage is over for the webmail"),
                _ => {}
            }
            self.change(|state| match next {
                Some(outage) => {
                    state.outages.insert(backend.clone(), outage);
                }
                None => {
                    state.outages.remove(backend);
                }
            });
        }
        Ok(())
    }

    /// Looks at the backends until the stop.
    pub async fn keep(self, shutdown: Shutdown) {
        loop {
            match self.look().await {
                Ok(()) | Err(SpoolError::Rebuilding(_)) => {}
                Err(error) => tracing::error!(%error, "outages are not noted for the webmail"),
            }
            tokio::select! {
                () = shutdown.stopping() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    fn state(&self) -> Result<Arc<State>, SpoolError> {
        let mut known = self.known();
        if let Some(state) = &*known {
            return Ok(Arc::clone(state));
        }
        let state = Arc::new(State {
            book: Book {
                rules: read(&self.0.spool, RULE, |name| name.parse().ok())?,
            },
            outages: read(&self.0.spool, OUTAGE, |name| Some(BackendId::new(name)))?,
        });
        *known = Some(Arc::clone(&state));
        Ok(state)
    }

    fn known(&self) -> MutexGuard<'_, Option<Arc<State>>> {
        let state = self.0.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut known = self.known();
        let before = known.take().unwrap_or_default();
        let mut state = State {
            book: before.book.clone(),
            outages: before.outages.clone(),
        };
        change(&mut state);
        *known = Some(Arc::new(state));
    }

    /// The people of a group, found once for each generation of the directory.
    fn people_of(&self, directory: &Arc<Directory>, group: &str) -> Arc<HashSet<String>> {
        let groups = self.0.groups.lock();
        let mut groups = groups.unwrap_or_else(PoisonError::into_inner);
        let is_same = |of: &Arc<Directory>| Arc::ptr_eq(of, directory);
        if !groups.of.as_ref().is_some_and(is_same) {
            *groups = Groups {
                of: Some(Arc::clone(directory)),
                people: HashMap::new(),
            };
        }
        let found = || Arc::new(members_of(directory, group));
        let people = groups.people.entry(group.to_owned());
        Arc::clone(people.or_insert_with(found))
    }
}

/// What holds at one moment.
#[derive(Debug, Clone)]
pub struct Moment {
    activation: Activation,
    state: Arc<State>,
    directory: Arc<Directory>,
}

impl Moment {
    /// What holds for the user of the mailbox under this key, whose home is `home`.
    #[must_use]
    pub fn ruling(&self, mailbox: &str, home: Option<&BackendId>) -> Ruling {
        let domain = mailbox.rsplit_once('@').map_or("", |(_, domain)| domain);
        let person = Person {
            mailbox,
            domain,
            home_is_out: home.is_some_and(|home| self.outage(home).is_some()),
        };
        let base = self.activation.0.options.base;
        rule_for(person, (&self.state.book, base), |group| {
            let people = self.activation.people_of(&self.directory, group);
            people.contains(mailbox)
        })
    }

    /// The outage of a backend.
    #[must_use]
    pub fn outage(&self, backend: &BackendId) -> Option<&Outage> {
        self.state.outages.get(backend)
    }

    /// What the config says.
    #[must_use]
    pub fn options(&self) -> Options {
        self.activation.0.options
    }

    /// Is it open for nobody?
    #[must_use]
    pub fn is_shut(&self) -> bool {
        let is_closed = |setting: Setting| match setting {
            Setting::Off => true,
            Setting::Auto => self.state.outages.is_empty(),
            Setting::ReadOnly | Setting::Full | Setting::Test => false,
        };
        let rules = &self.state.book.rules;
        let everybody = rules.get(&Scope::Everybody).map(|rule| rule.setting);
        is_closed(everybody.unwrap_or(self.activation.0.options.base))
            && rules.values().all(|rule| is_closed(rule.setting))
    }

    /// Everything for operators.
    #[must_use]
    pub fn view(&self) -> ActivationView {
        let options = self.options();
        let rules = self.state.book.rules.iter();
        let outages = self.state.outages.iter();
        ActivationView {
            config: options.base,
            open_after_seconds: options.patience.open_after.as_secs(),
            close_after_seconds: options.patience.close_after.as_secs(),
            rules: rules
                .map(|(scope, rule)| RuleView::new(scope, rule))
                .collect(),
            outages: outages
                .map(|(backend, outage)| OutageView {
                    backend: backend.clone(),
                    outage: outage.clone(),
                })
                .collect(),
            verdict: None,
        }
    }
}

/// For whom the webmail is open.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ActivationView {
    /// What holds where no rule says anything.
    pub config: Setting,
    /// A backend that is down for so long has an outage.
    pub open_after_seconds: u64,
    /// An outage is over when the backend has not been down for so long.
    pub close_after_seconds: u64,
    /// What operators said.
    pub rules: Vec<RuleView>,
    /// Outages that are not over.
    pub outages: Vec<OutageView>,
    /// What holds for the user who was asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
}

/// What an operator said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleView {
    /// `everybody`, `domain`, `group` or `user`.
    pub scope: String,
    /// Which one; empty for everybody.
    pub name: String,
    /// What, by whom, why, since when.
    #[serde(flatten)]
    pub rule: Rule,
}

impl RuleView {
    fn new(scope: &Scope, rule: &Rule) -> Self {
        Self {
            scope: scope.kind().to_owned(),
            name: scope.name().to_owned(),
            rule: rule.clone(),
        }
    }
}

/// An outage that is not over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutageView {
    /// Of which backend.
    pub backend: BackendId,
    /// Since when.
    #[serde(flatten)]
    pub outage: Outage,
}

/// What holds for one user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// His mailbox.
    pub address: String,
    /// What he may do.
    pub mode: Mode,
    /// What was said.
    pub setting: Setting,
    /// The rule; `None`: the config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<RuleView>,
}

impl Verdict {
    /// For the user of this mailbox.
    #[must_use]
    pub fn new(address: String, ruling: &Ruling) -> Self {
        let by = ruling.rule.as_ref();
        Self {
            address,
            mode: ruling.mode,
            setting: ruling.setting,
            by: by.map(|rule| RuleView::new(&ruling.scope, rule)),
        }
    }
}

async fn write<T: Serialize>(
    spool: &Spool,
    key: &str,
    value: Option<&T>,
) -> Result<(), SpoolError> {
    let value = value.map(serde_json::to_value).transpose();
    let value = value.map_err(|error| SpoolError::Damaged(error.to_string()))?;
    spool.put_fact(ROOM, key, value).await
}

fn read<K: Ord, T: serde::de::DeserializeOwned>(
    spool: &Spool,
    prefix: &str,
    parse: impl Fn(&str) -> Option<K>,
) -> Result<BTreeMap<K, T>, SpoolError> {
    let mut found = BTreeMap::new();
    for (key, value) in spool.facts(ROOM, prefix)? {
        let name = key.strip_prefix(prefix).and_then(&parse);
        match (name, serde_json::from_value(value)) {
            (Some(name), Ok(value)) => {
                found.insert(name, value);
            }
            (_, read) => {
                let error = read.err().map(|error| error.to_string());
                tracing::error!(%key, error, "what the webmail is set to cannot be read");
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
