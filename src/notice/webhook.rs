//! A webhook: JSON by POST.

use std::time::Duration;

use ring::hmac;

use super::ways::Missed;
use super::{Address, Webhook};
use crate::base::hex;
use crate::limits;
use crate::net::{HttpAsk, HttpBounds, HttpError, HttpPlace, Https};

/// HMAC-SHA-256 of the body, in hexadecimal digits.
const SIGNATURE: &str = "x-tideover-signature";

/// Posts a notice; any 2yz is good.
pub(super) async fn post(
    https: &Https,
    webhook: &Webhook,
    json: &[u8],
    patience: Duration,
) -> Result<String, Missed> {
    let place = place(&webhook.address).await?;
    let mut fields = vec![("user-agent", "tideover".to_owned())];
    if let Some(file) = &webhook.secret_file {
        let secret = tokio::fs::read(file).await;
        let secret = secret.map_err(|error| unreadable(file, &error))?;
        let secret = secret.trim_ascii_end();
        if secret.is_empty() {
            // Anybody could make that signature.
            return Err(Missed::ForNow(format!("{} is empty", file.display())));
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let signature = hex(hmac::sign(&key, json).as_ref());
        fields.push((SIGNATURE, format!("sha256={signature}")));
    }
    let ask = HttpAsk {
        body: Some(("application/json", json.to_vec())),
        fields,
    };
    let bounds = HttpBounds {
        each: patience,
        addresses: limits::NOTICE_HOSTS,
        answer: 0,
    };
    let authorities = webhook.authorities.as_deref();
    let answered = https.fetch(&place, authorities, ask, bounds).await;
    let host = place.name();
    match answered {
        Ok((status @ 200..=299, _)) => Ok(format!("{host} says {status}")),
        // RFC 9110 §15.5.9, RFC 6585 §4: later it may.
        Ok((status @ (408 | 429), _)) => Err(Missed::ForNow(format!("{host} says {status}"))),
        Ok((status @ 300..=499, _)) => Err(Missed::ForGood(format!("{host} says {status}"))),
        Ok((status, _)) => Err(Missed::ForNow(format!("{host} says {status}"))),
        Err(HttpError::Away(why) | HttpError::Refused(why)) => Err(Missed::ForNow(why)),
    }
}

/// Its host, for people; the rest of the address may be a secret.
pub(super) fn name(webhook: &Webhook) -> String {
    match &webhook.address {
        Address::Here(address) => {
            let place = HttpPlace::of_https_or_local(address);
            place.map_or_else(String::new, |place| place.name().to_owned())
        }
        Address::In(file) => file.display().to_string(),
    }
}

async fn place(address: &Address) -> Result<HttpPlace, Missed> {
    let text = match address {
        Address::Here(text) => text.clone(),
        Address::In(file) => {
            let text = tokio::fs::read_to_string(file).await;
            let text = text.map_err(|error| unreadable(file, &error))?;
            text.lines().next().unwrap_or_default().trim().to_owned()
        }
    };
    HttpPlace::of_https_or_local(&text).ok_or_else(|| {
        let what = "its address is no https:// address";
        Missed::ForNow(what.to_owned())
    })
}

fn unreadable(file: &std::path::Path, error: &std::io::Error) -> Missed {
    Missed::ForNow(format!("cannot read {}: {error}", file.display()))
}
