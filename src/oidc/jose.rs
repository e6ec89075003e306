//! Signed tokens (JWS compact serialization, RFC 7515 §3.1) and the keys of who signs them (JWK,
//! RFC 7517). Pure.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;

/// Keys of a set that are looked at.
const KEYS: usize = 64;
/// Bytes of a modulus: 2048 to 4096 bits.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=512;
/// Bytes of a coordinate on P-256, and of one half of a signature.
const COORDINATE: usize = 32;

/// Why a token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unproven {
    /// No key of the set has this name: there may be a newer set.
    UnknownKey,
    /// Anything else.
    Because(&'static str),
}

/// A token, not checked yet.
#[derive(Debug)]
pub(super) struct Token<'a> {
    header: Header,
    signed: &'a str,
    signature: Vec<u8>,
    payload: Vec<u8>,
}

#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// RFC 7515 §4.1.11: what must be understood; we understand none of it.
    crit: Option<Value>,
}

impl<'a> Token<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Unproven> {
        let shape = Unproven::Because("it is no signed token");
        let (signed, signature) = text.rsplit_once('.').ok_or(shape)?;
        let (header, payload) = signed.split_once('.').ok_or(shape)?;
        let decoded = |text: &str| BASE64URL.decode(text).map_err(|_| shape);
        let header = serde_json::from_slice::<Header>(&decoded(header)?).map_err(|_| shape)?;
        if header.crit.is_some() {
            return Err(Unproven::Because("it asks for what nobody knows"));
        }
        Ok(Self {
            header,
            signed,
            signature: decoded(signature)?,
            payload: decoded(payload)?,
        })
    }
}

/// What a key is for (RFC 7518 §3.1). `none` and what is made with a shared secret are no
/// algorithms here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Rs256,
    Es256,
}

impl Algorithm {
    fn of(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Public {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// An uncompressed point.
    P256(Vec<u8>),
}

impl Public {
    const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa { .. } => Algorithm::Rs256,
            Self::P256(_) => Algorithm::Es256,
        }
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match self {
            Self::Rsa { modulus, exponent } => RsaPublicKeyComponents {
                n: modulus,
                e: exponent,
            }
            .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature),
            Self::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
        };
        verified.is_ok()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    id: Option<String>,
    public: Public,
}

/// A set of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Keys(Vec<Key>);

impl Keys {
    /// Reads a set (RFC 7517 §5); keys of other kinds are left out.
    pub(super) fn parse(json: &[u8]) -> Option<Self> {
        let set: Value = serde_json::from_slice(json).ok()?;
        let keys = set.get("keys")?.as_array()?;
        Some(Self(keys.iter().filter_map(key).take(KEYS).collect()))
    }

    /// The payload of a token, when one of these keys has signed it.
    pub(super) fn open(&self, token: Token<'_>) -> Result<Vec<u8>, Unproven> {
        let algorithm = Algorithm::of(&token.header.alg);
        let algorithm = algorithm.ok_or(Unproven::Because("its algorithm is not taken"))?;
        let is_meant = |key: &&Key| match &token.header.kid {
            Some(id) => key.id.as_ref() == Some(id),
            None => key.public.algorithm() == algorithm,
        };
        let mut meant = self.0.iter().filter(is_meant);
        // OpenID Connect Core §10.1: without a name there must be one key only.
        let (Some(key), None) = (meant.next(), meant.next()) else {
            return Err(Unproven::UnknownKey);
        };
        // RFC 8725 §3.1: a key is used as what it is, whatever the token says.
        if key.public.algorithm() != algorithm {
            return Err(Unproven::Because("its key is of another kind"));
        }
        if key
            .public
            .verifies(token.signed.as_bytes(), &token.signature)
        {
            Ok(token.payload)
        } else {
            Err(Unproven::Because("its signature is wrong"))
        }
    }
}

fn key(key: &Value) -> Option<Key> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let bytes = |name: &str| BASE64URL.decode(text(name)?).ok();
    if text("use").is_some_and(|it| it != "sig") {
        return None;
    }
    let public = match (text("kty")?, text("crv")) {
        ("RSA", _) => {
            let modulus = bytes("n").filter(|n| MODULUS.contains(&n.len()))?;
            let exponent = bytes("e").filter(|e| (1..=8).contains(&e.len()))?;
            Public::Rsa { modulus, exponent }
        }
        ("EC", Some("P-256")) => {
            let coordinate = |name: &str| bytes(name).filter(|it| it.len() == COORDINATE);
            let point = [vec![4], coordinate("x")?, coordinate("y")?].concat();
            Public::P256(point)
        }
        _ => return None,
    };
    let algorithm = text("alg").map(Algorithm::of);
    // A key for something else is none of ours.
    if algorithm.is_some_and(|it| it != Some(public.algorithm())) {
        return None;
    }
    Some(Key {
        id: text("kid").map(str::to_owned),
        public,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7515 §A.2.
    const N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJ\
        rcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-\
        bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh\
        9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
    const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh\
        0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQg\
        r9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdi\
        uB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzD\
        wusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVm\
        tVrBp0igcN_IoypGlUPQGe77Rw";

    fn keys(more: &Value) -> Keys {
        let mut key = serde_json::json!({ "kty": "RSA", "n": N, "e": "AQAB" });
        for (name, value) in more.as_object().unwrap() {
            key[name] = value.clone();
        }
        let set = serde_json::json!({ "keys": [{ "kty": "oct", "k": "AA" }, key] });
        Keys::parse(set.to_string().as_bytes()).unwrap()
    }

    fn open(keys: &Keys, token: &str) -> Result<Vec<u8>, Unproven> {
        keys.open(Token::parse(token)?)
    }

    #[test]
    fn the_example_of_the_standard_is_believed() {
        for more in [
            serde_json::json!({}),
            serde_json::json!({ "use": "sig", "alg": "RS256", "kid": "a" }),
        ] {
            let payload = open(&keys(&more), TOKEN).unwrap();
            assert!(payload.starts_with(b"{\"iss\":\"joe\""));
        }
        for more in [
            serde_json::json!({ "use": "enc" }),
            serde_json::json!({ "alg": "RS512" }),
            serde_json::json!({ "n": "AQAB" }),
        ] {
            assert_eq!(open(&keys(&more), TOKEN), Err(Unproven::UnknownKey));
        }
    }

    #[test]
    fn a_token_that_was_changed_is_not_believed() {
        let keys = keys(&serde_json::json!({}));
        let (rest, signature) = TOKEN.rsplit_once('.').unwrap();
        let (_, payload) = rest.split_once('.').unwrap();
        let changed = TOKEN.replace("eyJpc3MiOiJqb2Ui", "eyJpc3MiOiJqb2Yi");
        let wrong = Err(Unproven::Because("its signature is wrong"));
        assert_eq!(open(&keys, &changed), wrong);
        let header = |json: &str| BASE64URL.encode(json);
        let algorithm = Err(Unproven::Because("its algorithm is not taken"));
        for (json, expected) in [
            ("{\"alg\":\"none\"}", algorithm.clone()),
            ("{\"alg\":\"HS256\"}", algorithm.clone()),
            ("{\"alg\":\"rs256\"}", algorithm),
            ("{\"alg\":\"ES256\"}", Err(Unproven::UnknownKey)),
            (
                "{\"alg\":\"RS256\",\"kid\":\"other\"}",
                Err(Unproven::UnknownKey),
            ),
            (
                "{\"alg\":\"RS256\",\"crit\":[\"b64\"]}",
                Err(Unproven::Because("it asks for what nobody knows")),
            ),
            (
                "{\"alg\":\"none\",\"alg\":\"RS256\"}",
                Err(Unproven::Because("it is no signed token")),
            ),
        ] {
            for signature in [signature, ""] {
                let token = format!("{}.{payload}.{signature}", header(json));
                assert_eq!(open(&keys, &token), expected, "{json}");
            }
        }
        for odd in ["", ".", "..", "a.b.c", "e30.e30", "e30.e30.e30.e30"] {
            assert!(open(&keys, odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_key_is_used_as_what_it_is() {
        let keys = keys(&serde_json::json!({ "kid": "a" }));
        let header = BASE64URL.encode("{\"alg\":\"ES256\",\"kid\":\"a\"}");
        let (_, rest) = TOKEN.split_once('.').unwrap();
        let token = format!("{header}.{rest}");
        let expected = Err(Unproven::Because("its key is of another kind"));
        assert_eq!(open(&keys, &token), expected);
    }

    #[test]
    fn a_set_is_bounded() {
        let key = serde_json::json!({ "kty": "RSA", "n": N, "e": "AQAB" });
        let many = serde_json::json!({ "keys": vec![key; KEYS + 9] });
        assert_eq!(
            Keys::parse(many.to_string().as_bytes()).unwrap().0.len(),
            KEYS
        );
        assert_eq!(Keys::parse(b"{}"), None);
        assert_eq!(Keys::parse(b"[]"), None);
    }
}
