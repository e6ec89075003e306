//! For whom the webmail is open: shown, and said.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::api::as_far_as_known;
use super::directory_api::parsed;
use super::extract::{Body, Query};
use super::{Admin, AdminError};
use crate::activation::{ActivationView, Scope, Setting, Verdict, Wish};
use crate::directory::{EntryKind, Lookup};
use crate::limits;
use crate::smtp::{Domain, Mailbox};

/// What is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ActivationQuery {
    /// Also: what holds for this user.
    #[serde(default)]
    pub(crate) address: Option<String>,
}

/// What an operator says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct SettingQuery {
    /// What; none: the rules about them end.
    #[serde(default)]
    pub(crate) setting: Option<Setting>,
    /// Of these domains, groups and users; of everybody without any.
    #[serde(default)]
    pub(crate) domains: Vec<String>,
    /// Groups of the directory.
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    /// Users.
    #[serde(default)]
    pub(crate) users: Vec<String>,
    /// Who says so.
    pub(crate) actor: String,
    /// Why.
    #[serde(default)]
    pub(crate) reason: String,
}

type Us = State<Arc<Admin>>;
type Answer = Result<Json<ActivationView>, AdminError>;

pub(super) async fn show(State(admin): Us, Query(query): Query<ActivationQuery>) -> Answer {
    admin.check_webmail()?;
    let asked = query.address.map(|text| parsed(&text)).transpose()?;
    admin
        .blocking(move |admin| {
            let moment = admin.activation.moment()?;
            let mut view = moment.view();
            let verdict = |address: Mailbox| {
                let explained = admin.router.explain(&address);
                let mailbox = explained.mailbox.ok_or_else(|| no_mailbox(&address))?;
                let ruling = moment.ruling(&mailbox, explained.home.as_ref());
                Ok::<_, AdminError>(Verdict::new(mailbox, &ruling))
            };
            view.verdict = asked.map(verdict).transpose()?;
            Ok(view)
        })
        .await
        .map(Json)
}

pub(super) async fn say(State(admin): Us, Body(query): Body<SettingQuery>) -> Answer {
    admin.check_webmail()?;
    let scopes = admin.scopes(&query)?;
    if query.setting.is_some() && query.reason.trim().is_empty() {
        return Err(asked("there is no reason", "give it with --reason"));
    }
    let only_some = |scope: &Scope| matches!(scope, Scope::User(_) | Scope::Group(_));
    if query.setting == Some(Setting::Test) && !scopes.iter().all(only_some) {
        return Err(asked(
            "a test is for some users or groups",
            "name them with --user or --group; `tideover webmail on` opens it for others",
        ));
    }
    let known = admin
        .blocking(|admin| Ok(admin.activation.moment()?.view().rules.len()))
        .await?;
    if query.setting.is_some() && known + scopes.len() > limits::ACTIVATION_RULES {
        return Err(asked(
            "there are too many rules",
            "one rule can name a whole group",
        ));
    }
    let wish = Wish {
        scopes,
        setting: query.setting,
        actor: query.actor,
        reason: query.reason,
    };
    admin.activation.say(wish).await?;
    admin
        .blocking(|admin| Ok(admin.activation.moment()?.view()))
        .await
        .map(Json)
}

fn no_mailbox(user: &Mailbox) -> AdminError {
    AdminError::NotFound {
        what: format!("{user} has no mailbox here"),
        hint: "`tideover explain ADDRESS` says why",
    }
}

fn asked(what: &str, hint: &'static str) -> AdminError {
    AdminError::Asked {
        what: what.to_owned(),
        hint,
    }
}

impl Admin {
    /// For whom it is open, as far as that can be known now.
    pub(super) fn opened(&self) -> Result<Option<ActivationView>, AdminError> {
        if !self.webmail {
            return Ok(None);
        }
        let moment = self.activation.moment().map(|moment| Some(moment.view()));
        Ok(as_far_as_known(moment)?)
    }

    fn check_webmail(&self) -> Result<(), AdminError> {
        if self.webmail {
            return Ok(());
        }
        Err(asked("there is no webmail", "add [web] bind to the config"))
    }

    /// Whom a rule is to be about. Rules that end may be about what is gone.
    fn scopes(&self, query: &SettingQuery) -> Result<Vec<Scope>, AdminError> {
        let is_new = query.setting.is_some();
        let directory = self.directory.current();
        let mut scopes = Vec::new();
        for text in &query.domains {
            let domain: Domain = text.trim().parse().map_err(|_| AdminError::Asked {
                what: format!("\"{text}\" is no domain"),
                hint: "expected for example example.org",
            })?;
            if is_new && directory.domain(&domain).is_none() {
                return Err(AdminError::NotFound {
                    what: format!("{text} is no domain of ours"),
                    hint: "the config names them as [domain.NAME]",
                });
            }
            scopes.push(Scope::Domain(domain.key()));
        }
        for text in &query.groups {
            let group = parsed(text)?;
            let key = match directory.lookup(&group) {
                Lookup::Known { entry, .. } if entry.kind == EntryKind::Group => {
                    entry.address.key()
                }
                _ if is_new => {
                    return Err(AdminError::NotFound {
                        what: format!("{text} is no group of the directory"),
                        hint: "`tideover directory lookup ADDRESS` shows what it is",
                    });
                }
                Lookup::Known { .. } | Lookup::Unknown(_) | Lookup::Stranger => group.key(),
            };
            scopes.push(Scope::Group(key));
        }
        for text in &query.users {
            let user = parsed(text)?;
            let mailbox = self.router.explain(&user).mailbox;
            if is_new && mailbox.is_none() {
                return Err(no_mailbox(&user));
            }
            scopes.push(Scope::User(mailbox.unwrap_or_else(|| user.key())));
        }
        if scopes.is_empty() {
            scopes.push(Scope::Everybody);
        }
        Ok(scopes)
    }
}
