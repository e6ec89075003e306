//! How long the spool lasts, as text for people.

use std::time::Duration;

use super::render::Page;
use crate::admin::SizeView;
use crate::spool::Outlook;
use crate::terminal::{bytes, duration};

/// `lasts 65 days in an outage`, one line.
pub(super) fn lasts(outlook: &Outlook) -> String {
    match (outlook.bytes_per_day, outlook.days_in_an_outage) {
        (None, _) => "how long it lasts can be said after an hour of traffic".to_owned(),
        (Some(_), None) => "no traffic: it lasts".to_owned(),
        (Some(_), Some(days)) => format!("{} in an outage at this traffic", lasts_for(days)),
    }
}

fn lasts_for(days: u64) -> String {
    match days {
        0 => "lasts less than a day".to_owned(),
        1 => "lasts a day".to_owned(),
        3650.. => "lasts ten years or more".to_owned(),
        days => format!("lasts {days} days"),
    }
}

impl Page {
    /// `size`.
    pub(crate) fn size(self, size: &SizeView) -> String {
        let outlook = &size.outlook;
        let mut text = self.field(
            "stored",
            &format!("{} in {} on disk", bytes(outlook.stored), bytes(size.bytes)),
        );
        let free = bytes(size.free_bytes);
        let free = match &size.refusing {
            None => format!("{free}; {} may be filled with mail", bytes(outlook.room)),
            Some(_) => free,
        };
        text.push_str(&self.field("free", &free));
        text.push_str(&self.refusing(size.refusing.as_deref()));
        let measured = duration(Duration::from_secs(outlook.measured_seconds));
        let Some(a_day) = outlook.bytes_per_day else {
            let too_little = match outlook.measured_seconds {
                0 => "not measured yet: ask later".to_owned(),
                _ => format!("measured over {measured}, too short to say more: ask later"),
            };
            return text + &self.field("traffic", &too_little);
        };
        let traffic = format!("{} a day, measured over {measured}", bytes(a_day));
        text.push_str(&self.field("traffic", &traffic));
        let normal = match outlook.days {
            None => "there is room for all mail of spool.retain, for ever".to_owned(),
            Some(days) => format!("{} while mail is delivered", lasts_for(days)),
        };
        text.push_str(&self.field("normally", &normal));
        text + &self.field("outage", &lasts(outlook))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::terminal::Palette;

    const GIB: u64 = 1024 * 1024 * 1024;

    #[test]
    fn what_is_not_known_is_not_said() {
        let page = Page {
            palette: Palette::Plain,
            now: Timestamp::EPOCH,
        };
        let mut size = SizeView {
            bytes: 2 * GIB,
            free_bytes: 41 * GIB,
            refusing: None,
            outlook: Outlook {
                stored: GIB,
                room: 40 * GIB,
                measured_seconds: 600,
                ..Outlook::default()
            },
        };
        let early = page.size(&size);
        assert!(early.contains("1.0 GiB in 2.0 GiB on disk"), "{early}");
        assert!(
            early.contains("41.0 GiB; 40.0 GiB may be filled"),
            "{early}"
        );
        assert!(early.contains("10 min, too short to say more"), "{early}");
        assert!(!early.contains("outage"), "{early}");
        size.outlook.measured_seconds = 0;
        let first = page.size(&size);
        assert!(first.contains("not measured yet: ask later"), "{first}");
        size.outlook.measured_seconds = 24 * 3600;
        size.outlook.bytes_per_day = Some(2 * GIB);
        size.outlook.days_in_an_outage = Some(20);
        size.outlook.days = Some(1);
        let later = page.size(&size);
        assert!(
            later.contains("2.0 GiB a day, measured over 24 h"),
            "{later}"
        );
        assert!(
            later.contains("lasts a day while mail is delivered"),
            "{later}"
        );
        assert!(
            later.contains("lasts 20 days in an outage at this traffic"),
            "{later}"
        );
        size.refusing = Some("the disk is almost full".to_owned());
        let full = page.size(&size);
        assert!(full.contains("NEW MAIL IS REFUSED"), "{full}");
        assert!(!full.contains("may be filled"), "{full}");
    }
}
