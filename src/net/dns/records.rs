//! Records of any kind with the time that they may be kept, for those who look at the DNS itself.

use std::time::Duration;

use hickory_resolver::net::{DnsError as NetDnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{RData, RecordType};

use super::{Dns, complete, translate};
use crate::base::Boxed;
use crate::net::{Answer, Ask, DnsError, MailExchanger, Record, RecordKind};

impl Ask for Dns {
    fn ask<'a>(&'a self, name: &'a str, kind: RecordKind) -> Boxed<'a, Result<Answer, DnsError>> {
        Box::pin(async move {
            let wanted = match kind {
                RecordKind::Mx => RecordType::MX,
                RecordKind::Text => RecordType::TXT,
                RecordKind::V4 => RecordType::A,
                RecordKind::V6 => RecordType::AAAA,
                RecordKind::Pointer => RecordType::PTR,
                RecordKind::NameServer => RecordType::NS,
                RecordKind::Alias => RecordType::CNAME,
            };
            let found = self.resolver.lookup(complete(name)?, wanted).await;
            let found = found.map_err(|error| told(&error))?;
            let answers = found.answers();
            let mut records: Vec<Record> = answers
                .iter()
                .filter(|answer| answer.record_type() == wanted)
                .filter_map(|answer| record(&answer.data))
                .collect();
            if records.is_empty() {
                return Err(DnsError::NoRecords);
            }
            records.sort();
            // An alias on the way is kept for as long as its own TTL says.
            let ttl = answers.iter().map(|answer| answer.ttl).min();
            let is_alias = |data: &RData| matches!(data, RData::CNAME(_));
            Ok(Answer {
                records,
                ttl: Duration::from_secs(u64::from(ttl.unwrap_or_default())),
                alias: answers.iter().any(|answer| is_alias(&answer.data)),
            })
        })
    }
}

/// RFC 2308 §2.2: without SOA, other name servers are a referral and no denial.
fn told(error: &NetError) -> DnsError {
    if let NetError::Dns(NetDnsError::NoRecordsFound(none)) = error
        && none.response_code == ResponseCode::NoError
        && none.soa.is_none()
        && none.ns.is_some()
    {
        return DnsError::Temporary("it refers to other name servers".to_owned());
    }
    translate(error)
}

fn record(data: &RData) -> Option<Record> {
    let bare = |name: String| name.trim_end_matches('.').to_ascii_lowercase();
    if let RData::MX(mx) = data {
        return Some(Record::Mx(MailExchanger {
            preference: mx.preference,
            host: bare(mx.exchange.to_ascii()),
        }));
    }
    if let RData::TXT(txt) = data {
        // RFC 7208 §3.3: the strings of one record belong together, without blanks.
        let text = String::from_utf8(txt.txt_data.concat());
        return text.ok().map(Record::Text);
    }
    if let RData::PTR(name) = data {
        return Some(Record::Name(bare(name.0.to_ascii())));
    }
    if let RData::NS(name) = data {
        return Some(Record::Name(bare(name.0.to_ascii())));
    }
    if let RData::CNAME(name) = data {
        return Some(Record::Name(bare(name.0.to_ascii())));
    }
    data.ip_addr().map(Record::Address)
}
