//! smtp-source sends as fast as it can while real filters look at everything: all that is taken
//! arrives, each once and looked at by both; what is bad among it is held.

use std::fs;
use std::process::{Command, Stdio};

use crate::harness::{
    Clamd, Client, LONG, Lab, Rspamd, Settings, eicar, eventually, gtube, program,
};

const EVE: &str = "eve@sender.example";
const ANN: &str = "ann@example.org";
const BOB: &str = "bob@example.org";
/// Messages that nothing is wrong with.
const CLEAN: usize = 400;
/// Messages of each kind that the filters know.
const BAD: usize = 10;

#[test]
fn at_full_load_nothing_is_lost_and_nothing_unmarked() {
    let lab = Lab::new();
    let (clam, spam) = (lab.path("clamd"), lab.path("rspamd"));
    for folder in [&clam, &spam] {
        fs::create_dir_all(folder).unwrap();
    }
    let (clamd, rspamd) = (Clamd::start(&clam), Rspamd::start(&spam));
    let settings = Settings {
        // A busy machine is slow: that a filter is late is not looked at here.
        more: format!(
            "[filter.clamav]\nkind = \"clamd\"\naddress = \"{}\"\ntimeout = \"60s\"\n\
             [filter.rspamd]\nkind = \"rspamd\"\naddress = \"{}\"\ntimeout = \"60s\"\n",
            clamd.socket().display(),
            rspamd.address()
        ),
        ..lab.settings()
    };
    let tideover = lab.tideover_with(settings);

    let mut source = Command::new(program("smtp-source"))
        .args(["-s", "8", "-m", &CLEAN.to_string(), "-l", "4096"])
        .args(["-C", "50", "-f", EVE, "-t", ANN])
        .arg(tideover.smtp().to_string())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    for (number, text) in [eicar(), gtube('X')]
        .iter()
        .cycle()
        .take(2 * BAD)
        .enumerate()
    {
        let message =
            format!("From: <{EVE}>\r\nMessage-ID: <bad-{number}@sender.example>\r\n\r\n{text}\r\n");
        let mut client = Client::connect(tideover.smtp());
        client.send(EVE, &[BOB], message.as_bytes());
    }
    assert!(source.wait().unwrap().success(), "all of it was taken");

    assert_eq!(tideover.queue("held"), 2 * BAD as u64);
    eventually(LONG, "all that is clean is there", || {
        (lab.onprem.mailbox(ANN).len() >= CLEAN).then_some(())
    });
    eventually(LONG, "nothing waits", || {
        (tideover.queue("queued") == 0).then_some(())
    });
    assert!(lab.onprem.mailbox(BOB).is_empty());
    let stored = lab.onprem.mailbox(ANN);
    assert_eq!(stored.len(), CLEAN);
    assert_eq!(lab.onprem.message_ids(ANN).len(), CLEAN, "each came once");
    for message in stored {
        let field = message.headers("X-Tideover-Filter").concat();
        for word in ["clamav=clean", "rspamd=clean"] {
            assert!(field.contains(word), "{word}: {field}");
        }
    }
}
