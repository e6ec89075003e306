//! What an ID token says, checked as OpenID Connect Core §3.1.3.7 asks. Pure.

use std::time::Duration;

use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use super::{Proven, Trust};
use crate::base::Timestamp;

/// How far our clock and the provider's may be apart.
const SKEW: Duration = Duration::from_secs(60);
/// A token is made for this login, so it is not older.
const AGE: Duration = Duration::from_secs(10 * 60);
/// Characters of an address.
const ADDRESS: usize = 320;

/// What a token must say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) claim: &'a str,
    pub(super) trust: Trust,
    pub(super) now: Timestamp,
}

/// Whom a token names, when all else in it is as expected.
pub(super) fn proven(payload: &[u8], expected: &Expected<'_>) -> Result<Proven, &'static str> {
    let claims: Map<String, Value> =
        serde_json::from_slice(payload).map_err(|_| "the token says nothing that can be read")?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(expected.issuer) {
        return Err("iss is somebody else");
    }
    check_audience(&claims, expected.client_id)?;
    check_times(&claims, expected.now)?;
    let nonce = text("nonce").unwrap_or_default();
    if !bool::from(nonce.as_bytes().ct_eq(expected.nonce.as_bytes())) {
        return Err("nonce is that of another login");
    }
    let subject = text("sub").unwrap_or_default();
    // OpenID Connect Core §2: ASCII, 255 characters at most.
    if subject.is_empty() || subject.len() > 255 || !subject.is_ascii() {
        return Err("sub is missing");
    }
    let address = text(expected.claim).filter(|text| text.len() <= ADDRESS);
    let address = address.ok_or("the claim with the address is missing")?;
    // Letters that look alike, and forms of one letter: nobody is let in by them.
    if !address.is_ascii() {
        return Err("the address is not ASCII");
    }
    // Whoever can write what he likes into his profile must not become somebody else by it.
    let is_verified = claims.get("email_verified") == Some(&Value::Bool(true));
    let is_believed = match expected.trust {
        Trust::Issuer => true,
        Trust::Verified => expected.claim == "email" && is_verified,
    };
    if !is_believed {
        return Err("the address is not verified");
    }
    Ok(Proven {
        address: address.to_owned(),
        subject: subject.to_owned(),
    })
}

fn check_audience(claims: &Map<String, Value>, client_id: &str) -> Result<(), &'static str> {
    // OpenID Connect Core §3.1.3.7: it is for us, and for nobody else.
    let is_ours = match claims.get("aud") {
        Some(Value::String(one)) => one == client_id,
        Some(Value::Array(many)) => matches!(
            many.as_slice(),
            [Value::String(one)] if one == client_id
        ),
        _ => false,
    };
    if !is_ours {
        return Err("aud is somebody else, or somebody else besides");
    }
    match claims.get("azp") {
        Some(party) if party.as_str() != Some(client_id) => Err("azp is somebody else"),
        Some(_) | None => Ok(()),
    }
}

fn check_times(claims: &Map<String, Value>, now: Timestamp) -> Result<(), &'static str> {
    // RFC 7519 §2: seconds, perhaps with a fraction.
    let time = |name: &str| -> Option<Timestamp> {
        let value = claims.get(name)?;
        let seconds = value.as_u64().or_else(|| {
            let text = value.as_number()?.to_string();
            text.split_once('.')?.0.parse().ok()
        })?;
        Some(Timestamp::from_millis(seconds.saturating_mul(1000)))
    };
    let expires = time("exp").ok_or("exp is missing")?;
    if expires.after(SKEW) <= now {
        return Err("exp is over");
    }
    let issued = time("iat").ok_or("iat is missing")?;
    if issued > now.after(SKEW) {
        return Err("iat is not yet");
    }
    if issued.after(AGE) < now {
        return Err("iat is too long ago");
    }
    match time("nbf") {
        Some(begins) if begins > now.after(SKEW) => Err("nbf is not yet"),
        None if claims.contains_key("nbf") => Err("nbf is no time"),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn claims() -> Value {
        json!({
            "iss": "https://id.example", "aud": "tideover", "nonce": "n", "sub": "7",
            "exp": NOW + 300, "iat": NOW - 5, "email": "ann@example.org", "email_verified": true,
        })
    }

    fn of(claims: &Value, claim: &str, trust: Trust) -> Result<String, &'static str> {
        let expected = Expected {
            issuer: "https://id.example",
            client_id: "tideover",
            nonce: "n",
            claim,
            trust,
            now: Timestamp::from_millis(NOW * 1000),
        };
        let proven = proven(claims.to_string().as_bytes(), &expected)?;
        assert_eq!(proven.subject, "7");
        Ok(proven.address)
    }

    fn with(name: &str, value: Value) -> Result<String, &'static str> {
        let mut claims = claims();
        claims[name] = value;
        of(&claims, "email", Trust::Verified)
    }

    fn without(name: &str) -> Result<String, &'static str> {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        of(&claims, "email", Trust::Verified)
    }

    #[test]
    fn a_good_token_names_an_address() {
        let good = Ok("ann@example.org".to_owned());
        assert_eq!(of(&claims(), "email", Trust::Verified), good);
        assert_eq!(with("aud", json!(["tideover"])), good);
        assert_eq!(with("azp", json!("tideover")), good);
        assert_eq!(with("exp", json!(NOW - 59)), good);
        assert_eq!(with("iat", json!(NOW + 59)), good);
        assert_eq!(with("iat", json!(1_800_000_000.5)), good);
        assert_eq!(with("nbf", json!(NOW)), good);
    }

    #[test]
    fn each_lie_is_seen() {
        for (name, value) in [
            ("iss", json!("https://id.example/")),
            ("iss", json!("https://ID.example")),
            ("aud", json!("other")),
            ("aud", json!(["tideover", "other"])),
            ("aud", json!([])),
            ("aud", json!(["tideover", 7])),
            ("aud", json!(["tideover", "tideover"])),
            ("azp", json!("other")),
            ("azp", json!(7)),
            ("nonce", json!("m")),
            ("nonce", json!("")),
            ("exp", json!(NOW - 60)),
            ("exp", json!("soon")),
            ("exp", json!(-1)),
            ("iat", json!(NOW + 61)),
            ("iat", json!(NOW - 601)),
            ("nbf", json!(NOW + 61)),
            ("nbf", json!("now")),
            ("sub", json!("")),
            ("sub", json!("sieben-ü")),
            ("email", json!("änn@example.org")),
            ("email", json!("ann@ex\u{0430}mple.org")),
            ("email", json!(["ann@example.org"])),
            ("email", json!("x".repeat(321))),
            ("email_verified", json!(false)),
            ("email_verified", json!("true")),
        ] {
            assert!(with(name, value.clone()).is_err(), "{name}: {value}");
        }
        for name in [
            "iss",
            "aud",
            "nonce",
            "exp",
            "iat",
            "sub",
            "email",
            "email_verified",
        ] {
            assert!(without(name).is_err(), "{name}");
        }
        assert!(of(&json!([]), "email", Trust::Issuer).is_err());
    }

    #[test]
    fn several_are_not_meant_together_also_with_azp() {
        let mut claims = claims();
        claims["aud"] = json!(["tideover", "other"]);
        claims["azp"] = json!("tideover");
        assert!(of(&claims, "email", Trust::Verified).is_err());
    }

    #[test]
    fn another_claim_takes_trust() {
        let mut claims = claims();
        claims["upn"] = json!("bob@example.org");
        assert!(of(&claims, "upn", Trust::Verified).is_err());
        let upn = of(&claims, "upn", Trust::Issuer);
        assert_eq!(upn.unwrap(), "bob@example.org");
        claims["email_verified"] = json!(false);
        assert!(of(&claims, "email", Trust::Issuer).is_ok());
    }
}
