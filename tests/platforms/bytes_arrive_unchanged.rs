//! What stands in the mailbox is what was sent, with trace lines in front.

use std::net::SocketAddr;

use crate::harness::{Client, Lab, SHORT, Sample, corpus, eventually};

#[test]
fn every_kind_of_message_arrives_as_it_was_sent() {
    let lab = Lab::new();
    let tideover = lab.tideover();
    deliver_and_compare(tideover.smtp(), &lab);
}

/// Sends the corpus to `door`, each message to a mailbox of its own, and compares the files.
pub(crate) fn deliver_and_compare(door: SocketAddr, lab: &Lab) {
    let samples = corpus();
    let mut client = Client::connect(door);
    for (number, sample) in samples.iter().enumerate() {
        let to = mailbox(number, sample);
        let from = if sample.international {
            "j\u{f6}rg@sender.example"
        } else {
            "ann@sender.example"
        };
        client.send(from, &[&to], &sample.bytes);
    }
    for (number, sample) in samples.iter().enumerate() {
        let to = mailbox(number, sample);
        let what = format!("the message `{}` arrives", sample.name);
        let stored = eventually(SHORT, &what, || lab.onprem.mailbox(&to).pop());
        if sample.bare {
            stored.assert_is(&[b"\r\n", sample.bytes.as_slice()].concat(), sample.name);
        } else {
            stored.assert_is(&sample.bytes, sample.name);
        }
    }
}

fn mailbox(number: usize, sample: &Sample) -> String {
    let domain = if sample.international {
        "intl.example"
    } else {
        "example.org"
    };
    format!("c{number}@{domain}")
}
