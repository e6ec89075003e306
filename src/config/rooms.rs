//! The options of each room, made of the config.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use jiff::tz::TimeZone;

use super::{BackendConfig, Config};
use crate::backend::BackendOptions;
use crate::imap::ImapOptions;
use crate::mail::BackendId;
use crate::route::RouteOptions;
use crate::smtp::Mailbox;
use crate::{inbound, outbound, queue, spool, webmail};

impl Config {
    /// The options of the room `spool`.
    #[must_use]
    pub fn spool_options(&self) -> spool::Options {
        spool::Options {
            uuid: self.spool.uuid.clone(),
            retain: self.spool.retain,
            ledger_retain: self.spool.ledger_retain,
            mailbox_quota: self.spool.mailbox_quota,
            min_free: self.spool.min_free,
            index_pending: self.spool.index_rows,
            ..spool::Options::new(&self.server.data_dir)
        }
    }

    /// The options of the room `backend`.
    #[must_use]
    pub fn backend_options(&self) -> Vec<BackendOptions> {
        let options = self.backends.iter();
        options.map(|backend| backend.options.clone()).collect()
    }

    /// The backends whose mailboxes can be asked.
    #[must_use]
    pub fn imap_options(&self) -> Vec<(BackendId, ImapOptions)> {
        let backends = self.backends.iter();
        let with_imap = |backend: &BackendConfig| {
            let imap = backend.options.imap.clone()?;
            Some((backend.id().clone(), imap))
        };
        backends.filter_map(with_imap).collect()
    }

    /// The options of the room `route`.
    #[must_use]
    pub fn route_options(&self) -> RouteOptions {
        RouteOptions {
            hostname: Some(self.server.hostname.clone()),
            postmaster: self.server.postmaster.clone(),
            relay: self.relay.clone(),
            expand_groups: self.directory.expand_groups,
            drill: self.drill.as_ref().map(|drill| drill.address.clone()),
            failover_when_rejecting: self
                .backends
                .iter()
                .filter(|backend| backend.options.rejecting.failover)
                .map(|backend| backend.id().clone())
                .collect(),
        }
    }

    /// Where each listener listens, and the options of the room `inbound` for it.
    #[must_use]
    pub fn inbound_options(&self) -> Vec<(SocketAddr, inbound::Options)> {
        let listeners = self.listeners.iter();
        listeners
            .filter_map(|listener| {
                let options = inbound::Options {
                    listener: listener.bind.to_string(),
                    hostname: self.server.hostname.to_string(),
                    postmaster: self.postmaster()?,
                    role: listener.role.clone(),
                    tls: listener.tls,
                    spokesmen: listener.spokesmen.clone(),
                    require_tls_from: listener.require_tls_from.clone(),
                    requiretls: listener.requiretls,
                    device_login: listener.device_login,
                    certificates: listener.certificates.clone(),
                    max_message_size: self.spool.max_message_size,
                    bounds: self.bounds(),
                };
                Some((listener.bind, options))
            })
            .collect()
    }

    /// The options of the room `outbound`.
    #[must_use]
    pub fn outbound_options(&self) -> outbound::Options {
        let backends = self.backends.iter();
        outbound::Options {
            backends: backends
                .map(|backend| (backend.id().clone(), backend.options.clone()))
                .collect(),
            protection: self.protection.clone(),
            secured: self.secured.clone(),
            reports: self.tlsrpt.clone(),
            own: self
                .listeners
                .iter()
                .map(|listener| listener.bind)
                .collect(),
            ..outbound::Options::new(self.server.hostname.as_str())
        }
    }

    /// The options of the room `queue`.
    #[must_use]
    pub fn queue_options(&self) -> queue::Options {
        let limits = |backend: &BackendOptions| queue::TargetLimits {
            max_connections: backend.max_connections,
            messages_per_minute: backend.messages_per_minute,
            mailbox: queue::MailboxRates {
                per_minute: backend.mailbox_messages_per_minute,
                per_hour: backend.mailbox_messages_per_hour,
            },
            sender: queue::SenderRates {
                per_minute: backend.sender_messages_per_minute,
                per_day: backend.sender_recipients_per_day,
                per_message: u32::try_from(backend.session.recipients).unwrap_or(u32::MAX),
            },
            slow_open: backend.slow_open,
        };
        let backends = self.backends.iter();
        queue::Options {
            hostname: self.server.hostname.to_string(),
            delay_notice_after: self.queue.delay_notice_after,
            finals: self.queue.finals.clone(),
            backends: backends
                .map(|backend| (backend.id().clone(), limits(&backend.options)))
                .collect(),
        }
    }

    /// Where the webmail listens, and its options; `None` when there is none.
    #[must_use]
    pub fn webmail_options(&self) -> Option<(SocketAddr, webmail::Options)> {
        let web = self.web.as_ref()?;
        let base_url = web.base_url.clone();
        let options = webmail::Options {
            hostname: self.server.hostname.to_string(),
            title: web
                .title
                .clone()
                .unwrap_or_else(|| "Emergency mail".to_owned()),
            base_url: base_url.unwrap_or_else(|| {
                if web.bind.ip().is_unspecified() {
                    format!("http://{}:{}", self.server.hostname, web.bind.port())
                } else {
                    format!("http://{}", web.bind)
                }
            }),
            time_zone: web.time_zone.clone().unwrap_or_else(TimeZone::system),
            platforms: self.titles(),
            proxy: web.proxy,
            notices: web.notices,
            writing: webmail::Writing {
                // In base64 they take a third more, and the text wants room too.
                max_attachments: web
                    .writing
                    .max_attachments
                    .min(self.spool.max_message_size / 10 * 7),
                ..web.writing
            },
        };
        Some((web.bind, options))
    }

    /// What users see instead of the names of backends.
    fn titles(&self) -> BTreeMap<BackendId, String> {
        let titles = self.backends.iter();
        titles
            .filter_map(|backend| Some((backend.id().clone(), backend.title.clone()?)))
            .collect()
    }

    /// Who is meant by `postmaster` without a domain. The router knows ours at `hostname`.
    fn postmaster(&self) -> Option<Mailbox> {
        let ours = || format!("postmaster@{}", self.server.hostname).parse().ok();
        self.server.postmaster.clone().or_else(ours)
    }
}
