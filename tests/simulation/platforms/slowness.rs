//! Platforms that are slow to answer, or never do, and the connections that wait for them.

use std::time::Duration;

use tideover::mail::{BackendId, Blame, Delivery, Failure, Outcome};

use super::{Platforms, SimChannel};

/// How long the answer to the end of a message is waited for, RFC 5321 §4.5.3.2.6.
const PATIENCE: Duration = Duration::from_secs(600);

impl Platforms {
    /// Mail for this address takes so long from now on.
    pub(crate) fn set_slow(&self, address: &str, time: Duration) {
        let mut inner = self.0.lock().unwrap();
        inner.slow.insert(address.to_owned(), time);
    }

    pub(super) fn slowness(&self, delivery: &Delivery) -> Duration {
        let inner = self.0.lock().unwrap();
        let recipients = delivery.recipients.iter();
        let slow = recipients.filter_map(|(_, address)| inner.slow.get(&address.to_string()));
        slow.max().copied().unwrap_or_default()
    }

    /// From now on it takes no message and answers nothing behind the final dot, or does again.
    /// What hangs by then hangs.
    pub(crate) fn set_hanging(&self, name: &str, hangs: bool) {
        let mut inner = self.0.lock().unwrap();
        inner.hanging.retain(|id| id.as_str() != name);
        if hangs {
            inner.hanging.push(BackendId::new(name));
        }
    }

    /// Those that are open now.
    pub(crate) fn connections(&self, name: &str) -> usize {
        let inner = self.0.lock().unwrap();
        let open = inner.connections.get(&BackendId::new(name));
        open.copied().unwrap_or_default()
    }

    pub(super) fn hangs(&self, id: &BackendId) -> bool {
        self.0.lock().unwrap().hanging.contains(id)
    }
}

impl SimChannel {
    /// The final dot was sent, and nothing arrives.
    pub(super) async fn hang(&mut self, delivery: &Delivery) -> Vec<Outcome> {
        let what = tokio::select! {
            biased;
            () = delivery.stop.stopping() => "given up",
            () = tokio::time::sleep(PATIENCE) => "no answer in time",
        };
        self.usable = false;
        self.end(delivery, what);
        let mut failure = Failure::without_reply(Blame::Backend, what);
        failure.uncertain = true;
        vec![Outcome::Failed(failure); delivery.recipients.len()]
    }
}
