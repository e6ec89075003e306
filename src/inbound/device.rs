//! A client that is one of our devices, by its address or its login: it may what the device may,
//! and no more.

use std::net::IpAddr;
use std::sync::Arc;

use super::admission::Doorway;
use super::connection::Connection;
use super::content::Content;
use super::front::Whole;
use super::policy::Standing;
use super::server::Server;
use super::session::Hello;
use super::submission::Submitter;
use super::transaction::Transaction;
use crate::device::{Device, Whose};
use crate::mail::{header_fields, originators};
use crate::route::{Admission, Origin};
use crate::smtp::{ForwardPath, Mailbox, Reply, ReversePath};
use crate::spool::Draft;

/// Which device a client is.
#[derive(Debug, Clone)]
pub(super) enum Known {
    /// None.
    Nobody,
    /// This one.
    Device(Arc<Device>),
    /// Which devices there are is being read from the log.
    NotYet,
}

impl Known {
    /// Who has logged in.
    pub(super) fn logged_in(submitter: &Submitter) -> Self {
        submitter.device.clone().map_or(Self::Nobody, Self::Device)
    }

    /// The device, if it is one.
    pub(super) const fn device(&self) -> Option<&Arc<Device>> {
        match self {
            Self::Device(device) => Some(device),
            Self::Nobody | Self::NotYet => None,
        }
    }
}

/// What the device may has changed since the connection began.
pub(super) const CHANGED: Reply = Reply::new(
    451,
    (4, 7, 1),
    "What this device may has changed, connect again",
);
/// The index is being made.
const NOT_YET: Reply = Reply::new(
    451,
    (4, 3, 0),
    "It is not known yet which devices there are, try again later",
);

impl Server {
    /// Which device a client is, and so where its mail comes from.
    pub(super) fn know(&self, address: IpAddr, standing: Standing) -> (Known, Origin) {
        let origin = self.options.role.origin_of(address, standing);
        // Where people log in, or others hand on what came from elsewhere, an address is nobody's.
        let devices = self
            .devices
            .as_ref()
            .filter(|_| !self.options.role.wants_login() && !self.options.role.is_lmtp());
        let (Some(devices), Standing::Own) = (devices, standing) else {
            return (Known::Nobody, origin);
        };
        match devices.at(address.to_canonical()) {
            Ok(None) => (Known::Nobody, origin),
            // What it says of itself was agreed upon, and is looked at.
            Ok(Some(device)) => (Known::Device(device), Origin::Trusted),
            Err(_) => (Known::NotYet, origin),
        }
    }
}

impl Connection {
    /// Asks again who it is, when that was not known at its beginning.
    pub(super) fn learn_device(&mut self) {
        if matches!(self.known, Known::NotYet) {
            self.recognise();
        }
    }

    /// The name of the device that it is.
    pub(super) fn device_name(&self) -> Option<String> {
        self.known.device().map(|device| device.name.clone())
    }

    /// May it begin a message as this sender?
    pub(super) fn may_begin(&self, from: &ReversePath) -> Result<(), Reply> {
        let (Some(devices), Some(device)) = (&self.server.devices, self.known.device()) else {
            return Ok(());
        };
        if !devices.is_current(device) {
            return Err(CHANGED);
        }
        let said = device.begin(from, self.server.clock.now());
        self.noting(device, said)
    }

    /// May its message that has so many recipients have one more?
    pub(super) fn may_afford(&self, recipients: usize) -> Result<(), Reply> {
        let (Some(devices), Some(device)) = (&self.server.devices, self.known.device()) else {
            return Ok(());
        };
        self.noting(device, devices.afford(device, recipients))
    }

    pub(super) fn doorway(&self, origin: Origin) -> Doorway<'_> {
        Doorway {
            options: &self.server.options,
            admit: self.server.admit.as_ref(),
            origin,
        }
    }

    /// May it send there?
    pub(super) fn admission(&self, to: &ForwardPath) -> Admission {
        let doorway = |origin| self.doorway(origin);
        let device = match &self.known {
            Known::Nobody if self.origin == Origin::Internet => {
                return self.admission_of_tenants(to);
            }
            Known::Nobody => return doorway(self.origin).admission(to),
            // It may be one that may less than its address.
            Known::NotYet => {
                let admission = doorway(Origin::Internet).admission(to);
                let is_final = matches!(&admission, Admission::Reject(it) if it.is_permanent());
                return if is_final {
                    Admission::Reject(NOT_YET)
                } else {
                    admission
                };
            }
            Known::Device(device) => device,
        };
        // I11: a stranger is who gets no mail from the Internet here.
        let refusal = match doorway(Origin::Internet).admission(to) {
            Admission::Reject(refusal) => refusal,
            accept @ Admission::Accept { .. } => return accept,
        };
        let beyond = doorway(Origin::Trusted).admission(to);
        let (ForwardPath::Mailbox(stranger), Admission::Accept { .. }) = (to, &beyond) else {
            return Admission::Reject(refusal);
        };
        match self.noting(device, device.reach(stranger, Whose::Stranger)) {
            Ok(()) => beyond,
            Err(reply) => Admission::Reject(reply),
        }
    }

    /// A message that came whole: of a device its author is looked at, and its day is spent.
    pub(super) async fn take_of(
        &self,
        draft: Draft,
        hello: Hello,
        transaction: Transaction,
        content: Content,
    ) -> Reply {
        let (Some(devices), Some(device)) = (&self.server.devices, self.known.device()) else {
            return self.take(draft, hello, transaction, content).await;
        };
        let recipients = transaction.recipients.len();
        // Whose author is looked at as of everybody who has logged in is not looked at twice.
        let authored = match self.submitter() {
            Some(_) => Ok(()),
            None => authored(device, content.whole(&draft, &self.server.load)).await,
        };
        let begun = match authored {
            Ok(()) if !devices.is_current(device) => Err(CHANGED),
            Ok(()) => devices.spend(device, recipients),
            refused => refused,
        };
        if let Err(reply) = self.noting(device, begun) {
            return reply;
        }
        let from = transaction.from.clone();
        let reply = self.take(draft, hello, transaction, content).await;
        if reply.is_success() {
            devices.sent(device, &from).await;
        } else {
            devices.refund(device, recipients);
            devices.refused(device, &reply);
        }
        reply
    }

    /// Who looks at the device is to see what it was told last.
    fn noting(&self, device: &Device, said: Result<(), Reply>) -> Result<(), Reply> {
        if let (Some(devices), Err(reply)) = (&self.server.devices, &said) {
            devices.refused(device, reply);
        }
        said
    }
}

/// May the device write as all those whom the header names as authors and as the sender?
async fn authored(device: &Device, whole: Whole<'_>) -> Result<(), Reply> {
    if let Some(all) = authors(whole.header().await?) {
        return all.iter().try_for_each(|one| device.write_as(one));
    }
    let name = &device.name;
    let text = format!("Device {name} has to write as one address in From that can be read");
    Err(Reply::with_text(550, (5, 7, 1), text))
}

/// Everybody in `From` and `Sender`; `None` when one cannot be read, or there is not exactly one
/// `From` (RFC 5322 §3.6: of several one reader shows the first and another one the last).
fn authors(header: &[u8]) -> Option<Vec<Mailbox>> {
    let (mut all, mut authored) = (Vec::new(), 0);
    for field in header_fields(header) {
        let is_from = field.name.eq_ignore_ascii_case(b"From");
        if is_from || field.name.eq_ignore_ascii_case(b"Sender") {
            authored += usize::from(is_from);
            all.extend(originators(field.body)?);
        }
    }
    (authored == 1).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_authors_are_found_however_they_are_written() {
        let found = |header: &str| {
            let all = authors(header.as_bytes())?;
            let all: Vec<String> = all.iter().map(ToString::to_string).collect();
            Some(all.join(" "))
        };
        for (header, expected) in [
            ("To: a@b.example\r\n\r\n", None),
            ("From: scan@example.org\r\n\r\n", Some("scan@example.org")),
            (
                "fRoM : \"Boss boss@example.org\"\r\n\t<scan@example.org>\r\n\r\n",
                Some("scan@example.org"),
            ),
            (
                "From: a@example.org, B <b@example.org>\r\nSender: c@example.org\r\n\r\n",
                Some("a@example.org b@example.org c@example.org"),
            ),
            ("From: a@example.org\r\nFrom: b@example.org\r\n\r\n", None),
            ("From: The scanner\r\n\r\n", None),
            ("From:\r\n\r\n", None),
            ("From: a@example.org\r\nFrom: Boss <\r\n\r\n", None),
        ] {
            assert_eq!(found(header).as_deref(), expected, "{header:?}");
        }
    }
}
