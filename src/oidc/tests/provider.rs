//! A provider for tests: HTTPS with a certificate of its own, discovery, authorize, token and keys,
//! and every lie that it is asked for.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as BASE64URL};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::base::{Clock, Shutdown};
use crate::net::{AcceptTls as _, BoxedStream, Dns, TcpDial, TlsClient, TlsServer};
use crate::oidc::{Options, Provider, Trust, World};

pub(crate) const CLIENT: &str = "tide over";
const SECRET: &str = "our secret: %";

/// How it lies.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lies {
    /// Claims that are other ones; `null`: missing.
    pub(crate) claims: HashMap<&'static str, Value>,
    /// The header of tokens.
    pub(crate) header: Option<Value>,
    /// Signatures are made with a key that is in no set.
    pub(crate) is_forged: bool,
    /// What its discovery says otherwise.
    pub(crate) discovery: HashMap<&'static str, Value>,
    /// Bytes in front of each answer at this path.
    pub(crate) padded: Option<(&'static str, usize)>,
    /// It takes so long at this path.
    pub(crate) slow: Option<(&'static str, Duration)>,
    /// It says nothing at this path.
    pub(crate) silent: Option<&'static str>,
    /// The status at this path.
    pub(crate) status: Option<(&'static str, u16)>,
}

#[derive(Debug)]
struct Signer {
    id: String,
    pair: EcdsaKeyPair,
}

impl Signer {
    fn new(id: &str) -> Self {
        let (random, kind) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let document = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        Self {
            id: id.to_owned(),
            pair: EcdsaKeyPair::from_pkcs8(kind, document.as_ref(), &random).unwrap(),
        }
    }

    fn public(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        json!({
            "kty": "EC", "crv": "P-256", "kid": self.id, "use": "sig",
            "x": BASE64URL.encode(&point[1..33]), "y": BASE64URL.encode(&point[33..]),
        })
    }
}

#[derive(Debug)]
struct Inner {
    issuer: String,
    lies: Mutex<Lies>,
    signer: Mutex<Signer>,
    /// Who logs in there: his address.
    user: Mutex<String>,
    /// Codes that were given out, with what they were asked for with.
    codes: Mutex<HashMap<String, HashMap<String, String>>>,
    asked: Mutex<Vec<String>>,
}

/// A provider that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct TestProvider {
    inner: Arc<Inner>,
    folder: tempfile::TempDir,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for TestProvider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl TestProvider {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tls = TlsServer::self_signed(folder.path(), "127.0.0.1").unwrap();
        std::fs::write(folder.path().join("secret"), format!("{SECRET}\n")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("https://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Inner {
            issuer,
            lies: Mutex::default(),
            signer: Mutex::new(Signer::new("first")),
            user: Mutex::new("ann@example.org".to_owned()),
            codes: Mutex::default(),
            asked: Mutex::default(),
        });
        let (tls, served) = (Arc::new(tls), Arc::clone(&inner));
        #[expect(clippy::disallowed_methods, reason = "it ends with the test")]
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&served).meet(Arc::clone(&tls), stream));
            }
        });
        Self {
            inner,
            folder,
            serving,
        }
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            issuer: self.inner.issuer.clone(),
            client_id: CLIENT.to_owned(),
            secret_file: Some(self.folder.path().join("secret")),
            claim: "email".to_owned(),
            trust: Trust::Verified,
            authorities: Some(self.certificate()),
        }
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("self-signed.crt")
    }

    /// A client of it.
    pub(crate) fn client(options: Options, clock: Clock) -> Provider {
        Provider::new(options, Self::world(clock))
    }

    pub(crate) fn world(clock: Clock) -> World {
        World {
            dial: Arc::new(TcpDial::default()),
            resolve: Arc::new(Dns::system().unwrap()),
            tls: TlsClient::with_authorities([]).unwrap(),
            clock,
            shutdown: Shutdown::new(),
        }
    }

    pub(crate) fn lie(&self, change: impl FnOnce(&mut Lies)) {
        let mut lies = Lies::default();
        change(&mut lies);
        *self.inner.lies.lock().unwrap() = lies;
    }

    pub(crate) fn is_used_by(&self, address: &str) {
        *self.inner.user.lock().unwrap() = address.to_owned();
    }

    pub(crate) fn change_keys(&self, id: &str) {
        *self.inner.signer.lock().unwrap() = Signer::new(id);
    }

    /// The paths at which it was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.inner.asked.lock().unwrap())
    }

    /// What a browser does that was sent to it: it comes back with a code and the state.
    pub(crate) async fn visit(&self, address: &str) -> (String, String) {
        assert!(address.starts_with(&self.inner.issuer), "{address}");
        let world = Self::world(Clock::system());
        let authorities = self.certificate();
        let asked = world.fetch(
            address,
            Some(&authorities),
            crate::oidc::https::Ask::default(),
        );
        let (status, back) = asked.await.unwrap();
        assert_eq!(status, 302);
        let back = String::from_utf8(back).unwrap();
        let fields = fields(back.split_once('?').unwrap().1);
        (fields["code"].clone(), fields["state"].clone())
    }
}

impl Inner {
    async fn meet(self: Arc<Self>, tls: Arc<TlsServer>, stream: tokio::net::TcpStream) {
        if let Ok((stream, _)) = tls.accept(Box::new(stream)).await {
            self.serve(stream).await;
        }
    }

    async fn serve(&self, mut stream: BoxedStream) {
        let mut request = Vec::new();
        let (head, body) = loop {
            let mut piece = [0; 4096];
            let Ok(read @ 1..) = stream.read(&mut piece).await else {
                return;
            };
            request.extend_from_slice(&piece[..read]);
            let text = String::from_utf8(request.clone()).unwrap();
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let length = header(head, "content-length").map_or(0, |it| it.parse().unwrap());
            if body.len() >= length {
                break (head.to_owned(), body.to_owned());
            }
        };
        let target = head.split(' ').nth(1).unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        self.asked.lock().unwrap().push(path.to_owned());
        let lies = self.lies.lock().unwrap().clone();
        if let Some((_, time)) = lies.slow.filter(|(at, _)| *at == path) {
            tokio::time::sleep(time).await;
        }
        if lies.silent == Some(path) {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        let (mut status, answer) = match path {
            "/.well-known/openid-configuration" => (200, self.discovery(&lies).to_string()),
            "/jwks" => {
                let key = self.signer.lock().unwrap().public();
                (200, json!({ "keys": [key] }).to_string())
            }
            "/authorize" => (302, self.authorize(query)),
            "/token" => self.token(&head, &fields(&body), &lies),
            _ => (404, String::new()),
        };
        if let Some((_, lie)) = lies.status.filter(|(at, _)| *at == path) {
            status = lie;
        }
        let padding = lies.padded.filter(|(at, _)| *at == path);
        let padding = " ".repeat(padding.map_or(0, |(_, bytes)| bytes));
        let answer = format!(
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{padding}{answer}",
            padding.len() + answer.len()
        );
        // Who asks may have had enough.
        stream.write_all(answer.as_bytes()).await.ok();
        stream.shutdown().await.ok();
    }

    fn discovery(&self, lies: &Lies) -> Value {
        let issuer = &self.issuer;
        let mut discovery = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize?tenant=1"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/jwks"),
        });
        for (name, value) in &lies.discovery {
            discovery[*name] = value.clone();
        }
        discovery
    }

    fn authorize(&self, query: &str) -> String {
        let asked = fields(query);
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["client_id"], CLIENT);
        assert_eq!(asked["tenant"], "1");
        assert!(asked["scope"].split(' ').any(|it| it == "openid"));
        assert_eq!(asked["code_challenge_method"], "S256");
        let code = format!("code+{}", self.codes.lock().unwrap().len());
        let back = format!(
            "{}?code={}&state={}",
            asked["redirect_uri"],
            code.replace('+', "%2B"),
            asked["state"]
        );
        self.codes.lock().unwrap().insert(code, asked);
        back
    }

    /// RFC 6749 §4.1.3 and §5.2, RFC 7636 §4.6.
    fn token(&self, head: &str, form: &HashMap<String, String>, lies: &Lies) -> (u16, String) {
        let pair = format!("{}:{}", "tide%20over", "our%20secret%3A%20%25");
        let expected = format!("Basic {}", STANDARD.encode(pair));
        let is_client = header(head, "authorization") == Some(&expected);
        let code = self.codes.lock().unwrap().remove(&form["code"]);
        let refused = |why: &str| (400, json!({ "error": why }).to_string());
        let Some(asked) = code.filter(|_| is_client) else {
            return refused(if is_client {
                "invalid_grant"
            } else {
                "invalid_client"
            });
        };
        let challenge = BASE64URL.encode(Sha256::digest(form["code_verifier"].as_bytes()));
        let is_same = form["redirect_uri"] == asked["redirect_uri"]
            && form["grant_type"] == "authorization_code"
            && challenge == asked["code_challenge"];
        if !is_same {
            return refused("invalid_grant");
        }
        let token = self.id_token(&asked["nonce"], lies);
        let answer = json!({ "access_token": "x", "token_type": "Bearer", "id_token": token });
        (200, answer.to_string())
    }

    fn id_token(&self, nonce: &str, lies: &Lies) -> String {
        let now = Clock::system().now().as_secs();
        let mut claims = json!({
            "iss": self.issuer, "aud": CLIENT, "nonce": nonce, "sub": "248289761001",
            "exp": now + 300, "iat": now, "email_verified": true,
            "email": *self.user.lock().unwrap(),
        });
        for (name, value) in &lies.claims {
            claims[*name] = value.clone();
        }
        claims
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        let signer = self.signer.lock().unwrap();
        let header = json!({ "alg": "ES256", "kid": signer.id });
        let header = lies.header.clone().unwrap_or(header);
        let encoded = |value: &Value| BASE64URL.encode(value.to_string());
        let content = format!("{}.{}", encoded(&header), encoded(&claims));
        let other = Signer::new("other");
        let pair = if lies.is_forged {
            &other.pair
        } else {
            &signer.pair
        };
        let signature = pair.sign(&SystemRandom::new(), content.as_bytes()).unwrap();
        let signature = match header["alg"].as_str() {
            Some("none") => String::new(),
            // RFC 8725 §2.1: the public key as the secret that it is not.
            Some("HS256") => {
                let key = ring::hmac::Key::new(
                    ring::hmac::HMAC_SHA256,
                    signer.pair.public_key().as_ref(),
                );
                BASE64URL.encode(ring::hmac::sign(&key, content.as_bytes()))
            }
            _ => BASE64URL.encode(signature),
        };
        format!("{content}.{signature}")
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The fields of a form, or of a query.
pub(crate) fn fields(form: &str) -> HashMap<String, String> {
    let pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), unescaped(value)))
        .collect()
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let pair = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&pair).unwrap(), 16).unwrap()
            }
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}
