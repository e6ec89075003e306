//! The wishes for reports in a header, and the signatures over them: what is signed by somebody
//! is taken off only when what he signed was proven and sealed before.

use crate::limits;
use crate::mail::{AutomaticKind, header_fields};

/// A field that wishes for a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its name, as the standard or the vendor writes it.
    pub field: &'static str,
    /// The report that it wishes for.
    pub kind: AutomaticKind,
    /// The first signature that covers it: `DKIM-Signature of example.net`.
    pub signed: Option<String>,
}

/// RFC 8098 §2.1 and §2.2; the others were never standardised.
const KNOWN: [(&str, AutomaticKind); 5] = [
    ("Disposition-Notification-To", AutomaticKind::ReadReceipt),
    (
        "Disposition-Notification-Options",
        AutomaticKind::ReadReceipt,
    ),
    ("Read-Receipt-To", AutomaticKind::ReadReceipt),
    ("X-Confirm-Reading-To", AutomaticKind::ReadReceipt),
    ("Return-Receipt-To", AutomaticKind::DeliveryReport),
];
/// Fields that sign others (RFC 6376 §3.5, RFC 8617 §4.1.2).
const SIGNATURES: [&str; 2] = ["DKIM-Signature", "ARC-Message-Signature"];

/// The wishes in a header section, each name once.
#[must_use]
pub fn requests(header: &[u8]) -> Vec<Request> {
    let mut found: Vec<Request> = Vec::new();
    let mut signatures: Vec<(String, Vec<String>)> = Vec::new();
    let mut is_cut = false;
    for (number, field) in header_fields(header).enumerate() {
        if number >= limits::AUTOMATIC_FIELDS {
            is_cut = true;
            break;
        }
        let is = |known: &str| field.name.eq_ignore_ascii_case(known.as_bytes());
        if let Some((name, kind)) = KNOWN.iter().find(|(name, _)| is(name)) {
            if !found.iter().any(|request| request.field == *name) {
                found.push(Request {
                    field: name,
                    kind: *kind,
                    signed: None,
                });
            }
        } else if let Some(name) = SIGNATURES.iter().find(|name| is(name)) {
            is_cut |= field.body.len() > limits::FIELD_KEPT;
            signatures.push(signature(name, field.body));
        }
    }
    for request in &mut found {
        let covers = |(_, names): &&(String, Vec<String>)| {
            let mut names = names.iter();
            names.any(|name| name.eq_ignore_ascii_case(request.field))
        };
        let by = signatures.iter().find(covers);
        request.signed = by.map(|(signer, _)| signer.clone());
        if request.signed.is_none() && is_cut {
            // Somebody may sign it where nobody looks.
            request.signed = Some("a header larger than we look at".to_owned());
        }
    }
    found
}

/// Who signs, for people, and the names in `h=`.
fn signature(name: &str, body: &[u8]) -> (String, Vec<String>) {
    let body = body.get(..limits::FIELD_KEPT).unwrap_or(body);
    let text: String = body
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|byte| match byte {
            0x21..=0x7e => char::from(*byte),
            _ => '?',
        })
        .collect();
    let tag = |wanted: &str| {
        let mut tags = text.split(';').filter_map(|tag| tag.split_once('='));
        tags.find(|(name, _)| *name == wanted)
            .map(|(_, value)| value)
    };
    let domain: String = tag("d").unwrap_or("nobody").chars().take(255).collect();
    let names = tag("h").unwrap_or_default().split(':').map(str::to_owned);
    (format!("{name} of {domain}"), names.collect())
}
