//! The ways to people.

use super::telling::Telling;
use super::{Options, Parts, command, mail, webhook};
use crate::smtp::Mailbox;

/// One way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// Mail to an address.
    Mail(Mailbox),
    Webhook,
    Command,
}

/// Why a notice did not arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Missed {
    /// Another attempt may do.
    ForNow(String),
    /// No other attempt will.
    ForGood(String),
}

impl Missed {
    pub(super) fn what(&self) -> &str {
        match self {
            Self::ForNow(what) | Self::ForGood(what) => what,
        }
    }
}

impl Way {
    /// All that the options name.
    pub(super) fn all(options: &Options) -> Vec<Self> {
        let mail = options.addresses.iter().cloned().map(Self::Mail);
        let webhook = options.webhook.iter().map(|_| Self::Webhook);
        let command = options.command.first().map(|_| Self::Command);
        mail.chain(webhook).chain(command).collect()
    }

    /// For people: `mail ops@example.net`.
    pub(super) fn name(&self, options: &Options) -> String {
        match self {
            Self::Mail(to) => format!("mail {to}"),
            Self::Webhook => {
                let webhook = options.webhook.as_ref();
                let name = webhook.map(webhook::name).unwrap_or_default();
                format!("webhook {name}")
            }
            Self::Command => {
                let program = options.command.first().map_or("", String::as_str);
                format!("command {program}")
            }
        }
    }

    /// For metrics.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Mail(_) => "mail",
            Self::Webhook => "webhook",
            Self::Command => "command",
        }
    }

    /// One attempt; what the other side said.
    pub(super) async fn send(
        &self,
        parts: &Parts,
        options: &Options,
        telling: &Telling,
    ) -> Result<String, Missed> {
        let patience = &options.patience;
        match (self, &options.webhook) {
            (Self::Mail(to), _) => {
                let whom = (to, options.relay.as_deref());
                let what = (telling, options.hostname.as_str());
                mail::send(parts, what, whom, patience.mail).await
            }
            (Self::Webhook, Some(hook)) => {
                let posted = webhook::post(&parts.https, hook, &telling.json, patience.each);
                // Its files may be where nobody answers.
                let late = || Missed::ForNow(format!("{} took too long", webhook::name(hook)));
                let posted = tokio::time::timeout(patience.each, posted).await;
                posted.unwrap_or_else(|_| Err(late()))
            }
            (Self::Webhook, None) => Err(Missed::ForGood("no webhook".to_owned())),
            (Self::Command, _) => {
                command::run(&options.command, &telling.json, patience.each).await
            }
        }
    }
}
