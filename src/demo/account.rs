//! What is due where, and whether it came: the whole truth about every letter.

use crate::mail::VISIT_FIELD;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::letters::Letter;
use super::people::{Home, owner};
use super::platform::Arrival;

/// One delivery that is due.
#[derive(Debug, Clone)]
pub(super) struct Due {
    pub(super) home: Home,
    /// As the sender wrote it.
    pub(super) recipient: &'static str,
    id: String,
    /// The address of the mailbox.
    to: &'static str,
    bytes: Arc<Vec<u8>>,
}

/// All that is due.
#[derive(Debug, Default)]
pub(super) struct Account {
    due: Vec<Due>,
    letters: usize,
}

/// How it stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Balance {
    /// Deliveries that are due.
    pub(super) due: usize,
    /// Of them, how many came exactly once and unchanged.
    pub(super) right: usize,
    /// Of them, how many did not come.
    pub(super) missing: usize,
    /// Copies too many.
    pub(super) twice: usize,
    /// Deliveries whose bytes are not those that were sent.
    pub(super) changed: usize,
    /// Deliveries that nobody sent.
    pub(super) strange: usize,
}

impl Balance {
    /// Did every message arrive exactly once, unchanged, and nothing else?
    pub(super) const fn is_even(&self) -> bool {
        self.right == self.due && self.twice == 0 && self.strange == 0
    }
}

impl Account {
    /// Notes a letter that was taken; returns what is due.
    pub(super) fn note(&mut self, letter: &Letter) -> Vec<Due> {
        let bytes = Arc::new(letter.bytes.clone());
        let due: Vec<Due> = letter
            .to
            .iter()
            .filter_map(|&recipient| {
                let person = owner(recipient)?;
                Some(Due {
                    home: person.home,
                    recipient,
                    id: letter.id.clone(),
                    to: person.delivery_address.unwrap_or(recipient),
                    bytes: Arc::clone(&bytes),
                })
            })
            .collect();
        self.letters += 1;
        self.due.extend_from_slice(&due);
        due
    }

    /// Letters so far.
    pub(super) const fn letters(&self) -> usize {
        self.letters
    }

    /// Compares what is due with what came.
    pub(super) fn balance(&self, arrived: &[(Home, Arrival)]) -> Balance {
        let mut found: BTreeMap<(Home, String, String), Vec<&Arrival>> = BTreeMap::new();
        for (home, arrival) in arrived {
            let id = message_id(&arrival.message).unwrap_or_default();
            let key = (*home, id, arrival.to.clone());
            found.entry(key).or_default().push(arrival);
        }
        let mut balance = Balance {
            due: self.due.len(),
            ..Balance::default()
        };
        for due in &self.due {
            let key = (due.home, due.id.clone(), due.to.to_owned());
            let copies = found.remove(&key).unwrap_or_default();
            balance.twice += copies.len().saturating_sub(1);
            match copies.first() {
                None => balance.missing += 1,
                Some(copy) if !is_unchanged(&copy.message, &due.bytes) => balance.changed += 1,
                Some(_) => balance.right += usize::from(copies.len() == 1),
            }
        }
        balance.strange = found.values().map(Vec::len).sum();
        balance
    }
}

impl Due {
    /// Is it among what came?
    pub(super) fn is_in(&self, arrived: &[(Home, Arrival)]) -> bool {
        arrived.iter().any(|(home, arrival)| {
            *home == self.home
                && arrival.to == self.to
                && message_id(&arrival.message).as_deref() == Some(self.id.as_str())
        })
    }
}

/// `Message-ID` of the header, without angle brackets.
fn message_id(message: &[u8]) -> Option<String> {
    const FIELD: &[u8] = b"Message-ID: <";
    let mut lines = message.split(|&byte| byte == b'\n');
    let line = lines.find_map(|line| line.strip_prefix(FIELD))?;
    let end = line.iter().position(|&byte| byte == b'>')?;
    String::from_utf8(line.get(..end)?.to_vec()).ok()
}

/// Is it what was sent, byte for byte, behind nothing but trace lines?
fn is_unchanged(message: &[u8], sent: &[u8]) -> bool {
    let Some(trace) = message.strip_suffix(sent) else {
        return false;
    };
    let Ok(trace) = std::str::from_utf8(trace) else {
        return false;
    };
    let is_trace = |line: &str| {
        let name = line.split_once(':').map(|(name, _)| name);
        name.is_some_and(|name| name == "Received" || name == VISIT_FIELD)
    };
    // RFC 5322 §2.2.3: a line that begins with a blank continues the one before it.
    let goes_on = |line: &str| line.starts_with([' ', '\t']);
    trace.lines().next().is_some_and(is_trace)
        && trace.ends_with("\r\n")
        && trace.lines().all(|line| is_trace(line) || goes_on(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Letter {
        Letter {
            what: "a letter",
            id: "1@example.net".to_owned(),
            from: "eve@example.net",
            to: vec!["a.smith@example.org", "bob+x@example.org"],
            bytes: b"Message-ID: <1@example.net>\r\n\r\nhi\r\n".to_vec(),
        }
    }

    fn arrival(home: Home, to: &str, prefix: &str, letter: &Letter) -> (Home, Arrival) {
        let message = [prefix.as_bytes(), &letter.bytes].concat();
        let arrival = Arrival {
            to: to.to_owned(),
            message: Arc::new(message),
        };
        (home, arrival)
    }

    #[test]
    fn every_kind_of_wrong_is_seen() {
        let letter = letter();
        let mut account = Account::default();
        let due = account.note(&letter);
        assert_eq!((account.letters(), due.len()), (1, 2));
        let trace = "X-Tideover-Trace: 0SVMB3NPM0004 proof\r\nReceived: from x\r\n\tby y\r\n";
        let ann = arrival(Home::Onprem, "a.smith@example.org", trace, &letter);
        let bob = arrival(Home::Cloud, "bob@tenant.example", trace, &letter);
        let right = [ann.clone(), bob.clone()];
        assert!(due.iter().all(|due| due.is_in(&right)));
        assert!(account.balance(&right).is_even());

        let missing = account.balance(std::slice::from_ref(&ann));
        assert_eq!((missing.missing, missing.is_even()), (1, false));
        let twice = account.balance(&[ann.clone(), bob.clone(), bob.clone()]);
        assert_eq!((twice.twice, twice.is_even()), (1, false));
        let altered = arrival(
            Home::Cloud,
            "bob@tenant.example",
            "X-Seen: yes\r\n",
            &letter,
        );
        let changed = account.balance(&[ann.clone(), altered]);
        assert_eq!((changed.changed, changed.is_even()), (1, false));
        let wrong_home = arrival(Home::Onprem, "bob@tenant.example", trace, &letter);
        let strange = account.balance(&[ann, bob, wrong_home]);
        assert_eq!((strange.strange, strange.is_even()), (1, false));
    }
}
