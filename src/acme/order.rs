//! One order, from the account to the certificate.

use std::collections::HashMap;
use std::fs;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, CertificateIdentifier, ChallengeType, Error,
    ExternalAccountKey, Identifier, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};

use super::ask::Asker;
use super::{AcmeError, AcmeFiles, AcmeOptions, NextKey};
use crate::limits;
use crate::net::{CertificateFacts, CertificateRequest};

/// What the authority is answered that looks whether a host is ours (HTTP-01, RFC 8555 §8.3).
#[derive(Debug, Clone, Default)]
pub struct Answers(Arc<RwLock<HashMap<String, String>>>);

impl Answers {
    /// The answer to this token, while an order waits for it.
    #[must_use]
    pub fn to(&self, token: &str) -> Option<String> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(token).cloned()
    }

    /// Does an order wait?
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }
}

/// The answers of one order; they go with it.
struct Told<'a>(&'a Answers);

impl Told<'_> {
    fn put(&self, token: &str, answer: &str) {
        let mut all = self.0.0.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(token.to_owned(), answer.to_owned());
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.0
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

/// What an order needs.
#[derive(Debug)]
pub(super) struct Clerk<'a> {
    pub(super) options: &'a AcmeOptions,
    pub(super) files: &'a AcmeFiles,
    pub(super) asker: &'a Asker,
    pub(super) answers: &'a Answers,
}

/// Does the authority hear of the certificate that is replaced (RFC 9773 §5)?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replaces {
    Told,
    Untold,
}

impl Clerk<'_> {
    /// A new pair in the place of the one that is there.
    pub(super) async fn obtain(&self, replaces: Replaces) -> Result<(), AcmeError> {
        let account = self.account().await?;
        let hosts = &self.options.hosts;
        let identifiers: Vec<_> = hosts.iter().cloned().map(Identifier::Dns).collect();
        let mut wanted = NewOrder::new(&identifiers);
        let before = self.files.present().filter(|_| replaces == Replaces::Told);
        if let Some(id) = before.as_ref().and_then(renewal_id) {
            wanted = wanted.replaces(id);
        }
        let mut order = match account.new_order(&wanted).await {
            // It does not know of such things.
            Err(Error::Unsupported(_)) => account.new_order(&NewOrder::new(&identifiers)).await?,
            ordered => ordered?,
        };
        let told = Told(self.answers);
        prove(&mut order, &told).await?;
        drop(told);
        let key = match self.options.key {
            NextKey::Fresh => None,
            NextKey::Same => self.files.key(),
        };
        let request = CertificateRequest::new(hosts, key.as_deref()).map_err(AcmeError::Ours)?;
        order.finalize_csr(&request.der).await?;
        let chain = order.poll_certificate(&patience()).await?;
        self.files.put(hosts, &request.key, &chain)
    }

    /// Ours at the authority; made when there is none there.
    pub(super) async fn account(&self) -> Result<Account, AcmeError> {
        let builder = || Account::builder_with_http(Box::new(self.asker.clone()));
        let kept = self.files.kept_account().filter(|text| self.is_ours(text));
        let kept = kept.and_then(|text| serde_json::from_str::<AccountCredentials>(&text).ok());
        if let Some(kept) = kept {
            return Ok(builder().from_credentials(kept).await?);
        }
        let contact = self.options.contact.iter();
        let contact: Vec<_> = contact.map(|one| format!("mailto:{one}")).collect();
        let contact: Vec<_> = contact.iter().map(String::as_str).collect();
        let wanted = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let binding = self.binding()?;
        let directory = self.options.directory.clone();
        let created = builder().create(&wanted, directory, binding.as_ref());
        let (account, credentials) = created.await?;
        let text = serde_json::to_string(&credentials);
        let text = text.map_err(|error| AcmeError::Ours(error.to_string()))?;
        self.files.keep_account(&text)?;
        tracing::info!(
            directory = self.options.directory,
            "acme: an account was made"
        );
        Ok(account)
    }

    /// Is this account one at the authority of the config?
    fn is_ours(&self, text: &str) -> bool {
        let kept: Option<serde_json::Value> = serde_json::from_str(text).ok();
        let kept = kept.and_then(|it| Some(it.get("directory")?.as_str()?.to_owned()));
        kept.is_some_and(|it| it == self.options.directory)
    }

    /// RFC 8555 §7.3.4: the key is given in base64url.
    fn binding(&self) -> Result<Option<ExternalAccountKey>, AcmeError> {
        let Some((name, file)) = &self.options.binding else {
            return Ok(None);
        };
        let shown = file.display();
        let text = fs::read_to_string(file)
            .map_err(|error| AcmeError::Ours(format!("{shown} cannot be read: {error}")))?;
        let key = URL_SAFE_NO_PAD.decode(text.trim().trim_end_matches('='));
        let key = key.map_err(|_| AcmeError::Ours(format!("{shown} is no base64url")))?;
        Ok(Some(ExternalAccountKey::new(name.clone(), &key)))
    }
}

/// The hosts are ours.
async fn prove(order: &mut Order, told: &Told<'_>) -> Result<(), AcmeError> {
    let mut all = order.authorizations();
    while let Some(authorization) = all.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        if authorization.status != AuthorizationStatus::Pending {
            let host = authorization.identifier().to_string();
            let what = format!("{host}: what proves that it is ours cannot be used");
            return Err(AcmeError::Refused(what));
        }
        let Some(mut challenge) = authorization.challenge(ChallengeType::Http01) else {
            let what = "it does not look over HTTP whether a host is ours (http-01)";
            return Err(AcmeError::Refused(what.to_owned()));
        };
        told.put(&challenge.token, challenge.key_authorization().as_str());
        challenge.set_ready().await?;
    }
    let ended = order.poll_ready(&patience()).await;
    match ended {
        Ok(OrderStatus::Ready) => Ok(()),
        Ok(_) | Err(Error::Api(_)) => Err(why(order, ended.err()).await),
        Err(error) => Err(error.into()),
    }
}

/// What was wrong with each host.
async fn why(order: &mut Order, error: Option<Error>) -> AcmeError {
    let mut told = Vec::new();
    let mut all = order.authorizations();
    while let Some(Ok(mut authorization)) = all.next().await {
        let Ok(state) = authorization.refresh().await else {
            continue;
        };
        let host = state.identifier().to_string();
        let errors = state.challenges.iter().filter_map(|it| it.error.as_ref());
        told.extend(errors.map(|error| format!("{host}: {error}")));
    }
    match error {
        _ if !told.is_empty() => AcmeError::Refused(told.join("; ")),
        Some(error) => error.into(),
        None => AcmeError::Refused("the order came to nothing".to_owned()),
    }
}

/// By which the authority knows a certificate (RFC 9773 §4.1).
pub(super) fn renewal_id(present: &CertificateFacts) -> Option<CertificateIdentifier<'static>> {
    let (authority, serial) = present.renewal_id.as_ref()?;
    Some(CertificateIdentifier {
        authority_key_identifier: URL_SAFE_NO_PAD.encode(authority).into(),
        serial: URL_SAFE_NO_PAD.encode(serial).into(),
    })
}

/// How long the authority may take.
fn patience() -> RetryPolicy {
    RetryPolicy::new()
        .initial_delay(limits::ACME_LOOK)
        .backoff(1.5)
        .timeout(limits::ACME_PATIENCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_go_with_their_order() {
        let answers = Answers::default();
        let told = Told(&answers);
        told.put("token", "answer");
        assert!(answers.is_waiting());
        assert_eq!(answers.to("token").as_deref(), Some("answer"));
        drop(told);
        assert!(!answers.is_waiting());
        assert_eq!(answers.to("token"), None);
    }
}
