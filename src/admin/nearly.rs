//! `explain`: the decision, its steps, and the rules that nearly applied.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::api::AddressQuery;
use super::extract::Query;
use super::{Admin, AdminError, ExplainView};
use crate::directory::{Wave, WaveState};
use crate::limits;
use crate::route::{NearRule, Nearly};
use crate::smtp::Mailbox;

pub(super) async fn explain(
    State(admin): State<Arc<Admin>>,
    Query(query): Query<AddressQuery>,
) -> Result<Json<ExplainView>, AdminError> {
    let address = query.parse()?;
    let asked = address.clone();
    let (explanation, mut nearly) = admin
        .blocking(move |admin| {
            let (explanation, mut nearly) = admin.router.explain_nearly(&asked);
            nearly.extend(admin.waves_of(&asked));
            Ok((explanation, nearly))
        })
        .await?;
    nearly.extend(admin.history_of(&address).await);
    Ok(Json(ExplainView {
        nearly,
        ..ExplainView::new(&address, explanation)
    }))
}

impl Admin {
    /// Waves that will move whoever has an address.
    fn waves_of(&self, address: &Mailbox) -> Vec<Nearly> {
        let current = self.directory.current();
        let entry = current.find(address).map(|(entry, _)| entry);
        let mut keys = vec![address.key()];
        keys.extend(entry.iter().flat_map(|it| it.addresses().map(Mailbox::key)));
        let home = entry.and_then(|entry| current.home_of(&entry));
        let waves = match self.waves.list() {
            Ok(waves) => waves,
            // What can be said is said.
            Err(error) => {
                tracing::warn!(%error, "the waves cannot be read");
                return Vec::new();
            }
        };
        let coming = |wave: &Wave| {
            let coming = matches!(wave.state, WaveState::Planned | WaveState::Scheduled);
            coming && home.as_ref() != Some(&wave.to)
        };
        let coming = waves.into_iter().rev().filter(coming);
        let moves = |wave: &Wave| {
            let file = self.waves.file(wave);
            file.is_ok_and(|file| {
                file.users
                    .iter()
                    .any(|(_, user)| keys.contains(&user.key()))
            })
        };
        let coming = coming.take(limits::EXPLAINED_WAVES).filter(moves);
        let told = coming.map(|wave| {
            let when = match wave.start_at {
                Some(at) => format!("at {at}"),
                None => "when somebody starts it".to_owned(),
            };
            let (id, name, to) = (wave.id, wave.name, wave.to);
            Nearly {
                rule: NearRule::Wave,
                what: format!("wave {id} ({name}) moves it to {to} {when}"),
            }
        });
        told.collect()
    }

    /// Who had an address before and has it no more.
    async fn history_of(&self, address: &Mailbox) -> Option<Nearly> {
        let once = match self.directory.once(address).await {
            Ok(once) => once?,
            Err(error) => {
                tracing::warn!(%error, "earlier generations cannot be read");
                return None;
            }
        };
        let by = once.by;
        let what = format!(
            "{} had it, said {}, until generation {} ({}, by {})",
            once.entry, once.source, by.number, by.at, by.author
        );
        let rule = NearRule::History;
        Some(Nearly { rule, what })
    }
}
