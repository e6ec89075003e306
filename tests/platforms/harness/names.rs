//! A name server that knows what a test tells it.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::thread::JoinHandle;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::TXT;
use hickory_resolver::proto::rr::{RData, Record, RecordType};

/// Texts by name; everything else does not exist.
type Texts = BTreeMap<String, String>;

/// A running name server, over UDP.
pub(crate) struct Names {
    at: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Names {
    /// Names, without a dot at their end, and their TXT records.
    pub(crate) fn start(address: &str, texts: &[(String, String)]) -> Self {
        let socket = UdpSocket::bind((address, 0)).unwrap();
        let at = socket.local_addr().unwrap();
        let texts: Texts = texts.iter().cloned().collect();
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 4_096];
            loop {
                let (length, peer) = socket.recv_from(&mut buffer).unwrap();
                // Nothing at all: the end.
                let Some(question) = buffer.get(..length).filter(|it| !it.is_empty()) else {
                    return;
                };
                let reply = answer(&texts, &Message::from_vec(question).unwrap());
                socket.send_to(&reply.to_vec().unwrap(), peer).ok();
            }
        });
        Self {
            at,
            thread: Some(thread),
        }
    }

    pub(crate) fn at(&self) -> SocketAddr {
        self.at
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        let socket = UdpSocket::bind((self.at.ip(), 0)).unwrap();
        socket.send_to(&[], self.at).unwrap();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn answer(texts: &Texts, question: &Message) -> Message {
    let query = question.queries.first().unwrap();
    let mut reply = Message::response(question.metadata.id, question.metadata.op_code);
    reply.add_query(query.clone());
    let name = query.name().to_ascii().to_ascii_lowercase();
    match texts.get(name.trim_end_matches('.')) {
        None => reply.metadata.response_code = ResponseCode::NXDomain,
        Some(text) if query.query_type() == RecordType::TXT => {
            // RFC 1035 §3.3.14: a string has 255 bytes at most.
            let strings = text.as_bytes().chunks(255);
            let strings = strings.map(|it| it.escape_ascii().to_string());
            let data = RData::TXT(TXT::new(strings.collect()));
            reply.add_answer(Record::from_rdata(query.name().clone(), 600, data));
        }
        Some(_) => {}
    }
    reply
}
