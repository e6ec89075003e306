//! What a device may: pure. It gets an answer that says what is wrong and what would be right,
//! because whoever reads it looks at the display of a printer, or at the log of an application.

use super::{Device, Way};
use crate::base::Timestamp;
use crate::smtp::{Mailbox, Reply, ReversePath};

/// Whose an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Of our own people, or of whoever gets mail of our domains.
    Ours,
    /// Somebody else's.
    Stranger,
}

/// RFC 3463 §3.8: not authorised.
const FORBIDDEN: (u8, u16, u16) = (5, 7, 1);

impl Device {
    /// May it begin a message from this sender (MAIL)?
    ///
    /// # Errors
    /// The reply that says why not.
    pub fn begin(&self, from: &ReversePath, now: Timestamp) -> Result<(), Reply> {
        let name = &self.name;
        if self.is_expired(now) {
            let text = format!("The time of device {name} is over, it has to be renewed");
            return Err(Reply::with_text(550, FORBIDDEN, text));
        }
        match from {
            // Who gets reports about it is nobody; who wrote it stands in `From`.
            ReversePath::Null => Ok(()),
            ReversePath::Mailbox(sender) => self.write_as(sender),
        }
    }

    /// May it write as this sender?
    ///
    /// # Errors
    /// The reply that says why not.
    pub fn write_as(&self, sender: &Mailbox) -> Result<(), Reply> {
        if self.senders.iter().any(|rule| rule.matches(sender)) {
            return Ok(());
        }
        let name = &self.name;
        let text = format!("Device {name} may not send as {sender}");
        Err(Reply::with_text(550, FORBIDDEN, text))
    }

    /// May it send to this recipient (RCPT), who is `whose`?
    ///
    /// # Errors
    /// The reply that says why not.
    pub fn reach(&self, to: &Mailbox, whose: Whose) -> Result<(), Reply> {
        let name = &self.name;
        match (whose, self.way) {
            (Whose::Ours, _) => Ok(()),
            (Whose::Stranger, Way::Internal) => {
                let text = format!("Device {name} may send to our own people only, not to {to}");
                Err(Reply::with_text(550, FORBIDDEN, text))
            }
            // Who proves who he is sends to everybody, unless somebody said to whom.
            (Whose::Stranger, Way::Login) if self.recipients.is_empty() => Ok(()),
            // An address of theirs in front is no pass for what stands behind it (I11).
            (Whose::Stranger, Way::Listed | Way::Login)
                if !to.is_routed() && self.recipients.iter().any(|rule| rule.matches(to)) =>
            {
                Ok(())
            }
            (Whose::Stranger, Way::Listed | Way::Login) => {
                let text = format!("{to} is not on the list of device {name}");
                Err(Reply::with_text(550, FORBIDDEN, text))
            }
        }
    }

    /// Has it room for so many more recipients, when it had `today` on this day?
    ///
    /// # Errors
    /// The reply that says when it will have.
    pub fn afford(&self, more: usize, today: u64) -> Result<(), Reply> {
        let Some(most) = self.daily_recipients else {
            return Ok(());
        };
        if today.saturating_add(more as u64) <= u64::from(most) {
            return Ok(());
        }
        let name = &self.name;
        let text = format!("Device {name} has {most} recipients a day, try again after 00:00 UTC");
        // RFC 5321 §4.2.2: blocked for a time, for reasons of policy.
        Err(Reply::with_text(450, (4, 7, 1), text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(way: Way) -> Device {
        Device {
            name: "scanner".to_owned(),
            way,
            senders: vec!["scan@example.org".parse().unwrap()],
            networks: vec!["192.0.2.7".to_owned()],
            recipients: vec![
                "@partner.example".parse().unwrap(),
                "tax@office.example".parse().unwrap(),
            ],
            expires: Some(at(1000)),
            daily_recipients: Some(3),
            password: None,
            made: at(0),
            by: "ann".to_owned(),
            reason: String::new(),
        }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn said(answer: Result<(), Reply>) -> String {
        answer.map_or_else(|reply| reply.to_string(), |()| "yes".to_owned())
    }

    #[test]
    fn it_writes_as_its_senders_until_its_day() {
        let device = device(Way::Internal);
        let begin = |from: &str, now| said(device.begin(&from.parse().unwrap(), at(now)));
        assert_eq!(begin("Scan@Example.ORG", 999), "yes");
        assert_eq!(begin("", 999), "yes", "the null path");
        assert_eq!(
            begin("boss@example.org", 999),
            "550 5.7.1 Device scanner may not send as boss@example.org"
        );
        for from in ["scan@example.org", ""] {
            assert_eq!(
                begin(from, 1000),
                "550 5.7.1 The time of device scanner is over, it has to be renewed"
            );
        }
    }

    #[test]
    fn strangers_are_reached_by_the_list_only() {
        for (way, to, whose, expected) in [
            (Way::Internal, "ann@example.org", Whose::Ours, "yes"),
            (Way::Listed, "ann@example.org", Whose::Ours, "yes"),
            (Way::Listed, "any@partner.example", Whose::Stranger, "yes"),
            (Way::Listed, "Tax@office.example", Whose::Stranger, "yes"),
            (
                Way::Internal,
                "any@partner.example",
                Whose::Stranger,
                "550 5.7.1 Device scanner may send to our own people only, not to \
                 any@partner.example",
            ),
            (
                Way::Listed,
                "boss@office.example",
                Whose::Stranger,
                "550 5.7.1 boss@office.example is not on the list of device scanner",
            ),
            (
                Way::Listed,
                "a%b.example@partner.example",
                Whose::Stranger,
                "550 5.7.1 a%b.example@partner.example is not on the list of device scanner",
            ),
        ] {
            let answer = device(way).reach(&to.parse().unwrap(), whose);
            assert_eq!(said(answer), expected, "{way:?} {to}");
        }
    }

    #[test]
    fn who_logs_in_reaches_everybody_unless_there_is_a_list() {
        let mut device = device(Way::Login);
        let boss = "boss@office.example".parse().unwrap();
        assert!(device.reach(&boss, Whose::Stranger).is_err());
        device.recipients.clear();
        assert_eq!(device.reach(&boss, Whose::Stranger), Ok(()));
    }

    #[test]
    fn a_day_has_so_many_recipients() {
        let mut device = device(Way::Listed);
        let full = "450 4.7.1 Device scanner has 3 recipients a day, try again after 00:00 UTC";
        for (more, today, expected) in [
            (3, 0, "yes"),
            (1, 2, "yes"),
            (4, 0, full),
            (1, 3, full),
            (1, u64::MAX, full),
        ] {
            assert_eq!(said(device.afford(more, today)), expected);
        }
        device.daily_recipients = None;
        assert_eq!(said(device.afford(1, u64::MAX)), "yes");
    }
}
