//! A DNS for tests, written down.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::base::Boxed;
use crate::net::{Answer, Ask, DnsError, MailExchanger, Record, RecordKind};

/// What a name server says.
#[derive(Debug, Default)]
pub(crate) struct Zone {
    names: BTreeMap<String, Vec<(RecordKind, Record)>>,
    /// Names below these are never answered.
    stalled: Vec<String>,
    /// Names that fail for what is not written down.
    silent: Vec<String>,
    /// Names below these fail at once.
    failing: Vec<String>,
    pub(crate) asked: Arc<AtomicUsize>,
}

impl Zone {
    /// Lines of `name TXT|A|MX|PTR|CNAME value`, `name STALLS`, `name FAILS`.
    pub(crate) fn new(text: &str) -> Self {
        let mut zone = Self::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let mut words = line.splitn(3, ' ');
            let (name, kind) = (words.next().unwrap(), words.next().unwrap());
            zone.add(name, kind, words.next().unwrap_or_default());
        }
        zone
    }

    pub(crate) fn add(&mut self, name: &str, kind: &str, value: &str) {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let bare = || value.trim_end_matches('.').to_ascii_lowercase();
        let record = match kind {
            "TXT" => (RecordKind::Text, Record::Text(value.to_owned())),
            "A" => (RecordKind::V4, Record::Address(value.parse().unwrap())),
            "AAAA" => (RecordKind::V6, Record::Address(value.parse().unwrap())),
            "PTR" => (RecordKind::Pointer, Record::Name(bare())),
            "CNAME" => (RecordKind::Alias, Record::Name(bare())),
            "MX" => {
                let (preference, host) = value.split_once(' ').unwrap();
                let mx = MailExchanger {
                    preference: preference.parse().unwrap(),
                    host: host.trim_end_matches('.').to_ascii_lowercase(),
                };
                (RecordKind::Mx, Record::Mx(mx))
            }
            "STALLS" => return self.stalled.push(name),
            "FAILS" => return self.failing.push(name),
            "SILENT" => {
                self.names.entry(name.clone()).or_default();
                return self.silent.push(name);
            }
            "EXISTS" => {
                self.names.entry(name).or_default();
                return;
            }
            _ => panic!("{kind}"),
        };
        self.names.entry(name).or_default().push(record);
    }

    fn find(&self, name: &str, kind: RecordKind, depth: usize) -> Result<Answer, DnsError> {
        let below = |it: &String| super::name::is_within(name, it);
        if self.failing.iter().any(below) {
            return Err(DnsError::Temporary("scripted".to_owned()));
        }
        let records = self.names.get(name).ok_or(DnsError::NoSuchName)?;
        let of = |wanted: RecordKind| {
            let found = records.iter().filter(move |(kind, _)| *kind == wanted);
            found.map(|(_, record)| record.clone())
        };
        if let Some(Record::Name(alias)) = of(RecordKind::Alias).next()
            && depth < 5
        {
            return self.find(&alias, kind, depth + 1);
        }
        let records: Vec<Record> = of(kind).collect();
        if records.is_empty() && self.silent.iter().any(|it| it == name) {
            return Err(DnsError::Temporary("scripted".to_owned()));
        }
        if records.is_empty() {
            return Err(DnsError::NoRecords);
        }
        Ok(Answer {
            records,
            ttl: Duration::from_secs(60),
            alias: depth > 0,
        })
    }
}

impl Ask for Zone {
    fn ask<'a>(&'a self, name: &'a str, kind: RecordKind) -> Boxed<'a, Result<Answer, DnsError>> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            let stalls = self
                .stalled
                .iter()
                .any(|it| super::name::is_within(&name, it));
            if stalls || self.stalled.iter().any(String::is_empty) {
                std::future::pending::<()>().await;
            }
            self.find(&name, kind, 0)
        })
    }
}
