//! Who has had nearly all that he may send within an hour: he is told of before he is refused.

use super::Webmail;
use crate::notice::{Counted, Share};

impl Webmail {
    /// The messages and recipients that an account has had of its hour.
    pub(super) fn note_hour(&self, account: &str, (messages, recipients): (u32, u32)) {
        let writing = &self.0.options.writing;
        let (most, most_recipients) = (writing.messages_per_hour, writing.recipients_per_hour);
        let shares = [
            Share::new(Counted::Messages, messages.into(), most.into()),
            Share::new(
                Counted::Recipients,
                recipients.into(),
                most_recipients.into(),
            ),
        ];
        let now = self.0.world.clock.now();
        self.0.hours.note(account, now, shares);
    }

    /// Users who have had nearly all that they may send within an hour, the busiest first.
    #[must_use]
    pub fn busy(&self) -> Vec<(String, Share)> {
        self.0.hours.near(self.0.world.clock.now())
    }
}
