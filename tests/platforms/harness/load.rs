//! Load: several connections that send, remember what was acknowledged, and come back.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use super::client::Client;
use super::platform::Platform;
use super::wait::{LONG, eventually, pause};

/// Open connections at a time.
const SESSIONS: usize = 6;
const SENDER: &str = "load@sender.example";

/// What the load may rely on afterwards.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// Message-IDs that got 250; each went to all recipients of the load.
    pub(crate) acknowledged: BTreeSet<String>,
    /// Message-IDs whose connection broke before the reply: they may arrive or not.
    pub(crate) doubtful: BTreeSet<String>,
}

impl Sent {
    /// Panics unless every acknowledged message is in the mailbox, and nothing that was not sent.
    /// Returns how many copies came beyond the first.
    pub(crate) fn assert_arrived(&self, platform: &Platform, user: &str) -> u64 {
        assert!(!self.acknowledged.is_empty());
        let missing = || {
            let found = platform.message_ids(user);
            self.acknowledged
                .iter()
                .filter(|id| !found.contains_key(*id))
                .count()
        };
        eventually(LONG, "everything acknowledged is in the mailbox", || {
            (missing() == 0).then_some(())
        });
        let found = platform.message_ids(user);
        for id in found.keys() {
            let sent = self.acknowledged.contains(id) || self.doubtful.contains(id);
            assert!(sent, "{id} was not sent");
        }
        found.values().map(|count| *count as u64 - 1).sum()
    }
}

/// A running load.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
    sent: Arc<Mutex<Sent>>,
    sessions: Vec<JoinHandle<()>>,
}

impl Load {
    /// Sends to `recipients` (each message to all of them) until finished.
    pub(crate) fn start(to: SocketAddr, recipients: &[&str]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let sent = Arc::new(Mutex::new(Sent::default()));
        let recipients: Vec<String> = recipients.iter().map(ToString::to_string).collect();
        let sessions = (0..SESSIONS)
            .map(|session| {
                let worker = Worker {
                    to,
                    session,
                    recipients: recipients.clone(),
                    stop: Arc::clone(&stop),
                    count: Arc::clone(&acknowledged),
                    sent: Arc::clone(&sent),
                };
                thread::spawn(move || worker.run())
            })
            .collect();
        Self {
            stop,
            acknowledged,
            sent,
            sessions,
        }
    }

    /// Waits until so many more messages are acknowledged than now.
    pub(crate) fn wait_for_more(&self, messages: usize) {
        let goal = self.acknowledged.load(Ordering::SeqCst) + messages;
        eventually(LONG, "the load is accepted", || {
            (self.acknowledged.load(Ordering::SeqCst) >= goal).then_some(())
        });
    }

    /// Ends the load; what was sent.
    pub(crate) fn finish(mut self) -> Sent {
        self.stop.store(true, Ordering::SeqCst);
        for session in self.sessions.drain(..) {
            session.join().expect("a session of the load");
        }
        std::mem::take(&mut *self.sent.lock().unwrap())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

struct Worker {
    to: SocketAddr,
    session: usize,
    recipients: Vec<String>,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    sent: Arc<Mutex<Sent>>,
}

impl Worker {
    fn run(&self) {
        let mut number = 0;
        while !self.stop.load(Ordering::SeqCst) {
            match Client::try_connect(self.to) {
                Ok(client) => self.send_on(client, &mut number),
                // The server is being restarted: come back.
                Err(_) => pause(),
            }
        }
    }

    fn send_on(&self, mut client: Client, number: &mut usize) {
        let to: Vec<&str> = self.recipients.iter().map(String::as_str).collect();
        while !self.stop.load(Ordering::SeqCst) {
            *number += 1;
            let id = format!("<{number}.{}@load.example>", self.session);
            let message = format!(
                "From: <{SENDER}>\r\nMessage-ID: {id}\r\nSubject: load\r\n\r\nbody of {id}\r\n"
            );
            let outcome = client.try_offer(SENDER, &to, message.as_bytes());
            let mut sent = self.sent.lock().unwrap();
            match outcome {
                Ok(reply) if reply.code == 250 => {
                    sent.acknowledged.insert(id);
                    self.count.fetch_add(1, Ordering::SeqCst);
                }
                Ok(_) => return,
                Err(_) => {
                    sent.doubtful.insert(id);
                    return;
                }
            }
        }
    }
}
