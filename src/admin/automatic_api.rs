//! The policy on automatic answers, and what it does with a message: what `tideover automatic`
//! says.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::extract::Query;
use super::operation::{Operation, ask, look};
use super::{Admin, AdminError, Role};
use crate::automatic::{
    Asked, Marks, Party, Policy, Recognised, Sealed, Wish, judge, recognise, requests,
};
use crate::limits;
use crate::mail::{
    AutomaticDeed, AutomaticKind, AutomaticWay, BackendId, decode_text, header_end, header_fields,
};
use crate::smtp::ReversePath;

/// The policy, and, with a message, what it is and what the policy does with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AutomaticView {
    /// Domains of partners.
    pub partners: Vec<String>,
    /// What is not allowed.
    pub rules: Vec<AutomaticRule>,
    /// The message that was asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<AutomaticJudged>,
}

/// What is done with a kind of automatic answer on a way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AutomaticRule {
    /// Which kind.
    pub kind: AutomaticKind,
    /// On which way.
    pub way: AutomaticWay,
    /// What is done.
    pub deed: AutomaticDeed,
}

/// What a message is, and what would be done with it on each way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AutomaticJudged {
    /// The reverse-path; empty for `<>`.
    pub from: String,
    /// What it is; none: ordinary mail.
    pub kind: Option<AutomaticKind>,
    /// By what that is told.
    pub sign: Option<String>,
    /// Reports that it wishes for.
    pub requests: Vec<AutomaticRequest>,
    /// What would be done with it.
    pub ways: Vec<AutomaticOnWay>,
}

/// The wish for a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AutomaticRequest {
    /// The field that says so.
    pub field: String,
    /// Which report.
    pub kind: AutomaticKind,
    /// The signature over the field, because of which it stays.
    pub signed: Option<String>,
}

/// What would be done on one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AutomaticOnWay {
    /// The way.
    pub way: AutomaticWay,
    /// What would be done.
    pub deed: AutomaticDeed,
    /// The keys of the config that say so.
    pub rules: Vec<String>,
    /// Wishes for reports that would be taken off.
    pub stripped: Vec<String>,
    /// Wishes that would stay, and why.
    pub left: Vec<String>,
}

/// Whose message it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct AutomaticQuery {
    /// Its reverse-path, `<>` for none; absent: as `Return-Path` of the message says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
}

/// The operations.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        look(
            "/api/automatic",
            Role::Viewer,
            "What is done with automatic answers",
            policy,
        ),
        ask(
            "/api/automatic",
            Role::Viewer,
            "The same, and what would be done with the message that is sent",
            message,
        )
        .up_to(limits::AUTOMATIC_MESSAGE),
    ]
}

type Answer = Result<Json<AutomaticView>, AdminError>;

async fn policy(State(admin): State<Arc<Admin>>) -> Answer {
    Ok(Json(AutomaticView::of(&admin.config.policy())))
}

async fn message(
    State(admin): State<Arc<Admin>>,
    Query(query): Query<AutomaticQuery>,
    message: Bytes,
) -> Answer {
    if message.is_empty() {
        return Err(AdminError::Asked {
            what: "there is no message".to_owned(),
            hint: "send one, header and body, as it came",
        });
    }
    let policy = admin.config.policy();
    let mut view = AutomaticView::of(&policy);
    let judged = view.judge(&policy, (query.from.as_deref(), &message));
    judged.map_err(|what| AdminError::Asked {
        what,
        hint: "`from` is the address in MAIL FROM, or <> for reports",
    })?;
    Ok(Json(view))
}

impl AutomaticView {
    /// A policy.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        let rules = policy.rules();
        Self {
            partners: policy.partners.iter().cloned().collect(),
            rules: rules
                .map(|(kind, way, deed)| AutomaticRule { kind, way, deed })
                .collect(),
            message: None,
        }
    }

    /// Also what the policy does with a message from somebody, as a file has it: its lines may end
    /// as the lines of any system do. Without a sender, its `Return-Path` says who that is.
    ///
    /// # Errors
    /// When the sender is none, for people.
    pub fn judge(
        &mut self,
        policy: &Policy,
        (from, message): (Option<&str>, &[u8]),
    ) -> Result<(), String> {
        let message = with_crlf(message);
        let from = reverse_path(from, &message)?;
        self.message = Some(judged(policy, &from, &message));
        Ok(())
    }
}

/// Files of people end their lines as their system does.
fn with_crlf(message: &[u8]) -> Vec<u8> {
    let mut crlf = Vec::with_capacity(message.len());
    let mut last = 0;
    for &byte in message {
        if byte == b'\n' && last != b'\r' {
            crlf.push(b'\r');
        }
        crlf.push(byte);
        last = byte;
    }
    crlf
}

fn reverse_path(said: Option<&str>, message: &[u8]) -> Result<ReversePath, String> {
    let header = message.get(..header_end(message)).unwrap_or_default();
    let mut fields = header_fields(header);
    let stored = fields.find(|field| field.name.eq_ignore_ascii_case(b"Return-Path"));
    let stored = stored.map(|field| decode_text(field.body, 320));
    let text = said.map(str::to_owned).or(stored);
    let text = text.unwrap_or_else(|| "somebody@example.invalid".to_owned());
    let inner = text.trim().trim_start_matches('<').trim_end_matches('>');
    let parsed: Result<ReversePath, _> = inner.parse();
    parsed.map_err(|_| format!("\"{text}\" is no reverse-path, expected an address or \"<>\""))
}

fn judged(policy: &Policy, from: &ReversePath, message: &[u8]) -> AutomaticJudged {
    let (header, body) = message.split_at(header_end(message));
    let body = body.get(..limits::AUTOMATIC_REPORT).unwrap_or(body);
    let marks = Marks::read(header);
    let found = recognise(from, &marks, body);
    let ways = AutomaticWay::ALL.into_iter().map(|way| {
        let (sender, recipient) = parties(way);
        let judged = judge(
            policy,
            &Asked {
                from,
                header,
                marks: &marks,
                body,
                sender: &sender,
                recipients: &[(0, recipient, Wish::Nothing)],
                sealed: Sealed::No,
            },
        );
        let ruling = judged
            .automatic
            .and_then(|it| it.rulings.into_iter().next());
        ruling.map_or_else(
            || AutomaticOnWay {
                way,
                deed: AutomaticDeed::Allow,
                rules: Vec::new(),
                stripped: Vec::new(),
                left: Vec::new(),
            },
            |ruling| AutomaticOnWay {
                way,
                deed: ruling.deed,
                rules: ruling.rules,
                stripped: ruling.stripped,
                left: ruling.left,
            },
        )
    });
    let ways = ways.collect();
    let (kind, sign) = match found {
        Some(Recognised { kind, sign }) => (Some(kind), Some(sign)),
        None => (None, None),
    };
    AutomaticJudged {
        from: from.to_string(),
        kind,
        sign,
        requests: requests(header)
            .into_iter()
            .map(|request| AutomaticRequest {
                field: request.field.to_owned(),
                kind: request.kind,
                signed: request.signed,
            })
            .collect(),
        ways,
    }
}

/// Who would have to write to whom for mail to go this way.
fn parties(way: AutomaticWay) -> (Party, Party) {
    let ours = |home: &str| Party::Ours {
        home: Some(BackendId::new(home)),
    };
    match way {
        AutomaticWay::Internal => (ours("a"), ours("a")),
        AutomaticWay::Platforms => (ours("a"), ours("b")),
        AutomaticWay::FromPartner => (Party::Partner, ours("a")),
        AutomaticWay::ToPartner => (ours("a"), Party::Partner),
        AutomaticWay::FromInternet => (Party::Stranger, ours("a")),
        AutomaticWay::ToInternet => (ours("a"), Party::Stranger),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_comes_from_the_file_or_from_who_asks() {
        let path = |said: Option<&str>, message: &[u8]| {
            reverse_path(said, message).map(|path| path.mailbox().map(ToString::to_string))
        };
        assert_eq!(path(None, b"Return-Path: <>\r\n\r\n"), Ok(None));
        assert_eq!(path(Some("<>"), b"A: b\r\n\r\n"), Ok(None));
        let ann = Some("ann@example.org".to_owned());
        assert_eq!(path(Some("<ann@example.org>"), b"\r\n"), Ok(ann));
        assert!(path(None, b"A: b\r\n\r\n").unwrap().is_some());
        assert!(path(Some("no path"), b"\r\n").is_err());
    }
}
