//! What strangers prove stands in their mail, sealed in our name (RFC 8617), and the seals of
//! others before ours stay good: signed, sealed and checked by a program that others wrote, dkimpy.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use tideover::auth::{KeyFolder, KeyState};

use crate::harness::{Client, Lab, Names, Settings};

const EVE: &str = "eve@source.example";
const ANN: &str = "ann@example.org";
const RSA: &str = include_str!("../../src/auth/rsa2048.pem");

/// Does one thing with the message on its standard input.
const DKIMPY: &str = r"
import json, sys
import dkim
deed, texts, key = sys.argv[1:]
texts = json.loads(texts)
message = sys.stdin.buffer.read()
ask = lambda name, timeout=5: texts.get(name.decode().rstrip('.').lower(), '').encode() or None
private = open(key, 'rb').read()
if deed == 'sign':
    found = dkim.sign(message, b'r1', b'source.example', private)
    sys.stdout.buffer.write(found + message)
elif deed == 'seal':
    said = b'Authentication-Results: list.example; dkim=pass header.d=source.example\r\n'
    fields = dkim.arc_sign(said + message, b'r1', b'list.example', private, b'list.example')
    sys.stdout.buffer.write(b''.join(fields) + message)
elif deed == 'verify':
    print('pass' if dkim.verify(message, dnsfunc=ask) else 'fail')
elif deed == 'chain':
    cv, results, reason = dkim.arc_verify(message, dnsfunc=ask)
    print(cv.decode(), len(results), reason)
";

/// What its domains publish, and a place for its key.
struct Others {
    texts: Vec<(String, String)>,
    key: std::path::PathBuf,
}

impl Others {
    fn run(&self, deed: &str, message: &[u8]) -> Vec<u8> {
        let texts: serde_json::Map<String, serde_json::Value> = self
            .texts
            .iter()
            .map(|(name, text)| (name.clone(), text.clone().into()))
            .collect();
        // The one of the system: the package puts its library there.
        let mut child = Command::new("/usr/bin/python3")
            .args(["-c", DKIMPY, deed])
            .arg(serde_json::to_string(&texts).unwrap())
            .arg(&self.key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(message).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{deed}: {output:?}");
        output.stdout
    }

    fn says(&self, deed: &str, message: &[u8]) -> String {
        let said = String::from_utf8(self.run(deed, message)).unwrap();
        said.trim().to_owned()
    }
}

fn message(id: &str) -> Vec<u8> {
    format!(
        "From: Eve <{EVE}>\r\nTo: <{ANN}>\r\nSubject: An offer\r\n\
         Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{id}@source.example>\r\n\r\n\
         Hello Ann\r\n"
    )
    .into_bytes()
}

#[test]
fn what_strangers_prove_is_written_down_and_sealed() {
    let lab = Lab::new();
    let settings = lab.settings();
    let folder = KeyFolder::of(&settings.data_dir);
    let ours = folder.add(("example.org", "s1"), RSA).unwrap();
    folder
        .change(("example.org", "s1"), KeyState::Signing)
        .unwrap();
    let key = lab.path("rsa.pem");
    fs::write(&key, RSA).unwrap();
    let texts = [
        ("source.example", "v=spf1 ip4:127.0.0.0/8 -all".to_owned()),
        ("_dmarc.source.example", "v=DMARC1; p=reject".to_owned()),
        ("r1._domainkey.source.example", ours.record()),
        ("r1._domainkey.list.example", ours.record()),
        ("s1._domainkey.example.org", ours.record()),
    ]
    .map(|(name, text)| (name.to_owned(), text));
    let names = Names::start(lab.address(), &texts);
    let others = Others {
        texts: texts.to_vec(),
        key,
    };
    let settings = Settings {
        more: format!(
            "[dns]\nservers = [\"{}\"]\n[auth]\nexempt = []\nseal = \"example.org\"\n",
            names.at()
        ),
        ..settings
    };
    let tideover = lab.tideover_with(settings);
    let mut client = Client::connect(tideover.smtp());
    let mut arrives = |id: &str, sent: &[u8]| {
        client.send(EVE, &[ANN], sent);
        lab.onprem.wait_for(ANN, &format!("<{id}@source.example>"))
    };

    let signed = others.run("sign", &message("good"));
    let good = arrives("good", &signed);
    let found = good.headers("Authentication-Results").concat();
    for proof in ["spf=pass", "dkim=pass", "dmarc=pass"] {
        assert!(found.contains(proof), "{proof}: {found}");
    }
    assert_eq!(others.says("verify", good.bytes()), "pass");
    let chain = others.says("chain", good.bytes());
    assert!(chain.starts_with("pass 1 "), "{chain}");

    // Somebody on the way sealed before us, and his seal goes on to count.
    let forwarded = others.run("seal", &others.run("sign", &message("list")));
    let list = arrives("list", &forwarded);
    let found = list.headers("Authentication-Results").concat();
    assert!(found.contains("arc=pass"), "{found}");
    let chain = others.says("chain", list.bytes());
    assert!(chain.starts_with("pass 2 "), "{chain}");

    // What was changed on the way proves nothing, whatever it says itself; what we found is sealed.
    let text = String::from_utf8(others.run("sign", &message("changed"))).unwrap();
    let lie = "Authentication-Results: mx.example.org; dkim=pass header.d=source.example\r\n";
    let text = lie.to_owned() + &text.replace("Hello Ann", "Send money");
    let changed = arrives("changed", text.as_bytes());
    let found = changed.headers("Authentication-Results").concat();
    assert!(
        found.contains("dkim=fail") && !found.contains("dkim=pass"),
        "{found}"
    );
    assert_eq!(others.says("verify", changed.bytes()), "fail");
    let chain = others.says("chain", changed.bytes());
    assert!(chain.starts_with("pass 1 "), "{chain}");
    let tampered = String::from_utf8(good.bytes().to_vec()).unwrap();
    let tampered = tampered.replace("dmarc=pass", "dmarc=none");
    let chain = others.says("chain", tampered.as_bytes());
    assert!(chain.starts_with("fail"), "{chain}");
    tideover.wait_idle();
}
