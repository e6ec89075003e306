//! Keys with which our domains sign, as files in `data_dir`: what the verbs of `key` do. An RSA key
//! is brought on the machine: no private key comes over the network, and none goes.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::caller::Way;
use super::extract::{Body, Query};
use super::operation::{Operation, change, look};
use super::{Admin, AdminError, Role};
use crate::auth::{KeyError, KeyState, SigningKey, new_ed25519};
use crate::limits;

/// A key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyView {
    /// The domain that it signs for.
    pub domain: String,
    /// Its name in the DNS.
    pub selector: String,
    /// `waiting`, `signing` or `retired`.
    pub state: String,
    /// `ed25519` or `rsa`.
    pub algorithm: String,
    /// The name of its record.
    pub name: String,
    /// What its record, a TXT, has to say.
    pub record: String,
}

impl KeyView {
    /// A key in its state.
    #[must_use]
    pub fn new(state: KeyState, key: &SigningKey) -> Self {
        let algorithm = if key.is_rsa() { "rsa" } else { "ed25519" };
        Self {
            domain: key.domain.clone(),
            selector: key.selector.clone(),
            state: state.as_str().to_owned(),
            algorithm: algorithm.to_owned(),
            name: key.record_name(),
            record: key.record(),
        }
    }
}

/// Which key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct KeyQuery {
    /// Whose mail it signs.
    pub(crate) domain: String,
    /// Its name in the DNS.
    pub(crate) selector: String,
}

/// The operations.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        look(
            "/api/keys",
            Role::Viewer,
            "Keys with which our domains sign, and what to publish of them",
            list,
        ),
        change(
            "/api/keys",
            Role::Admin,
            "Make an Ed25519 key; it waits to be published",
            make,
        ),
        change(
            "/api/keys/rsa",
            Role::Admin,
            "Take an RSA key from a file on the machine itself, by the unix socket only; it waits \
             to be published",
            take,
        )
        .up_to(limits::KEY_FILE),
        change(
            "/api/keys/use",
            Role::Admin,
            "Sign with a key from the next reload on",
            use_it,
        ),
        change(
            "/api/keys/retire",
            Role::Admin,
            "Sign no more with a key from the next reload on",
            retire,
        ),
    ]
}

type Us = State<Arc<Admin>>;
type Answer<T> = Result<Json<T>, AdminError>;

async fn list(State(admin): Us) -> Answer<Vec<KeyView>> {
    admin.blocking(Admin::key_views).await.map(Json)
}

async fn make(State(admin): Us, Body(query): Body<KeyQuery>) -> Answer<KeyView> {
    let made = admin.blocking(move |admin| {
        let pem = new_ed25519(&admin.entropy);
        let key = admin
            .config
            .keys()
            .add((&query.domain, &query.selector), &pem);
        Ok(KeyView::new(KeyState::Waiting, &key?))
    });
    made.await.map(Json)
}

/// The body is the key: it stands in no log.
async fn take(
    State(admin): Us,
    (Query(query), way): (Query<KeyQuery>, Way),
    pem: Bytes,
) -> Answer<KeyView> {
    if way != Way::Socket {
        let what = "a private key does not come over the network: on the machine itself, say \
                    `tideover key make DOMAIN SELECTOR --rsa FILE`";
        return Err(AdminError::Forbidden(what.to_owned()));
    }
    let not_a_key = |what: String| AdminError::Asked {
        what,
        hint: "`openssl genrsa -out FILE 2048` makes one",
    };
    let taken = admin.blocking(move |admin| {
        let KeyQuery { domain, selector } = query;
        let pem = std::str::from_utf8(&pem);
        let pem =
            pem.map_err(|_| not_a_key("the file is no text, and no key as PEM".to_owned()))?;
        let key = admin.config.keys().add((&domain, &selector), pem);
        let key = key.map_err(|error| match error {
            KeyError::NotAKey(_) => not_a_key(error.to_string()),
            KeyError::Disk(..)
            | KeyError::Name(_)
            | KeyError::Taken(_)
            | KeyError::Unknown { .. } => error.into(),
        })?;
        Ok(KeyView::new(KeyState::Waiting, &key))
    });
    taken.await.map(Json)
}

async fn use_it(State(admin): Us, Body(query): Body<KeyQuery>) -> Answer<KeyView> {
    admin.turn_key(query, KeyState::Signing).await.map(Json)
}

async fn retire(State(admin): Us, Body(query): Body<KeyQuery>) -> Answer<KeyView> {
    admin.turn_key(query, KeyState::Retired).await.map(Json)
}

impl Admin {
    /// Blocks.
    fn key_views(&self) -> Result<Vec<KeyView>, AdminError> {
        let keys = self.config.keys().read()?;
        let views = keys.iter().map(|(state, key)| KeyView::new(*state, key));
        Ok(views.collect())
    }

    async fn turn_key(&self, query: KeyQuery, to: KeyState) -> Result<KeyView, AdminError> {
        let turned = self.blocking(move |admin| {
            let KeyQuery { domain, selector } = query;
            let keys = admin.config.keys();
            keys.change((&domain, &selector), to)?;
            let is_it = |(_, one): &&(KeyState, SigningKey)| {
                one.domain.eq_ignore_ascii_case(&domain)
                    && one.selector.eq_ignore_ascii_case(&selector)
            };
            // It is done, also when another key cannot be read.
            let (readable, _) = keys.survey();
            let found = readable.iter().find(is_it);
            let view = found.map(|(state, key)| KeyView::new(*state, key));
            view.ok_or_else(|| KeyError::NotAKey(format!("the key {selector} of {domain}")).into())
        });
        turned.await
    }
}

impl From<KeyError> for AdminError {
    fn from(error: KeyError) -> Self {
        let what = error.to_string();
        match error {
            KeyError::Name(_) => Self::Asked {
                what,
                hint: "a key is for a domain, for example example.org, with a selector as s2026",
            },
            KeyError::Taken(_) => Self::Asked {
                what,
                hint: "`tideover key list` shows the keys",
            },
            KeyError::Unknown { .. } => Self::NotFound {
                what,
                hint: "`tideover key list` shows the keys",
            },
            // Whoever sent one heard of it before: a file of the folder is none.
            KeyError::Disk(..) | KeyError::NotAKey(_) => Self::Ours(what),
        }
    }
}
