//! The accounts of the webmail, for people.

use super::args::UserVerb;
use super::intent::Request;
use super::render::Page;
use super::{Asker, Failure};
use crate::admin::{Account, AccountState, AddressQuery, Coverage, Covered, Invitation, Presence};
use crate::terminal::{Cell, Table, Tone, moment, visible};

impl UserVerb {
    /// What the server is asked.
    pub(super) fn request(&self) -> Request {
        let post = |path: &str, address: &String| {
            let address = address.clone();
            Request::post(path, &AddressQuery { address })
        };
        match self {
            Self::List => Request::get("/api/users".to_owned()),
            Self::Coverage { .. } => Request::get("/api/users/coverage".to_owned()),
            Self::Invite(args) => args.request(),
            Self::Reset { address } => post("/api/users/reset", address),
            Self::Confirm { address } => post("/api/users/confirm", address),
            Self::Disable { address } => post("/api/users/disable", address),
        }
    }
}

impl Asker {
    /// The verbs of `user`.
    pub(super) async fn about_users(
        &self,
        verb: UserVerb,
        request: Request,
    ) -> Result<(), Failure> {
        let page = self.page;
        match verb {
            UserVerb::List => self.show(request, |it: &Vec<Account>| page.users(it)).await,
            UserVerb::Invite(args) if args.is_plain() => {
                self.show(request, |it: &Invitation| page.invitation(it))
                    .await
            }
            UserVerb::Invite(args) => self.invite_many(&args, request).await,
            UserVerb::Reset { .. } => self.show(request, |it: &Invitation| page.reset(it)).await,
            UserVerb::Coverage { missing } => {
                let text = |it: &Coverage| {
                    let names = if missing { it.missing.as_slice() } else { &[] };
                    page.coverage(it) + &lines(names)
                };
                self.show(request, text).await
            }
            UserVerb::Confirm { .. } => {
                let text = |it: &Account| {
                    let mailbox = it.renamed.as_ref().unwrap_or(&it.address);
                    let (account, mailbox) = (visible(&it.address), visible(mailbox));
                    format!("the account {account} opens the mailbox of {mailbox}\n")
                };
                self.show(request, text).await
            }
            UserVerb::Disable { .. } => {
                let text = |it: &AddressQuery| format!("{} cannot log in any more\n", it.address);
                self.show(request, text).await
            }
        }
    }
}

fn lines(addresses: &[String]) -> String {
    addresses
        .iter()
        .map(|address| visible(address) + "\n")
        .collect()
}

impl Page {
    /// `user list`.
    pub(crate) fn users(self, accounts: &[Account]) -> String {
        if accounts.is_empty() {
            return "no accounts: `tideover user invite ADDRESS` makes one\n".to_owned();
        }
        let head = ["ADDRESS", "STATE", "LOGIN", "CREATED", "DIRECTORY"];
        let mut table = Table::new(&head, &[0]);
        for account in accounts {
            let tone = match account.state {
                AccountState::Active => Tone::Good,
                AccountState::Invited | AccountState::Directory => Tone::Waiting,
                AccountState::Disabled => Tone::Bad,
            };
            table.row([
                account.address.as_str().into(),
                Cell::toned(account.state.as_str(), tone),
                account.factors().into(),
                moment(account.created, self.now).into(),
                match &account.directory {
                    Presence::There => match &account.renamed {
                        Some(now) => format!("now {now}").into(),
                        None => "".into(),
                    },
                    Presence::Departed(since) => {
                        let since = moment(*since, self.now);
                        Cell::toned(format!("departed {since}"), Tone::Waiting)
                    }
                    Presence::Gone => Cell::toned("gone", Tone::Bad),
                    Presence::Taken { by, .. } => {
                        let told = format!("departed: address now belongs to {by}");
                        Cell::toned(told, Tone::Bad)
                    }
                },
            ]);
        }
        let mut text = table.render(self.palette);
        let is_departed = |it: &&Account| matches!(it.directory, Presence::Departed(_));
        if accounts
            .iter()
            .any(|it| is_departed(&it) && it.state == AccountState::Active)
        {
            text.push_str(&Self::paragraph(
                "who departed can log in until `directory.grace` is over; `tideover user disable \
                 ADDRESS` ends that now",
            ));
        }
        text.push_str(&Self::about_taken(accounts));
        text
    }

    /// What to do about accounts whose address is somebody else's.
    fn about_taken(accounts: &[Account]) -> String {
        let taken = accounts
            .iter()
            .filter(|it| it.state != AccountState::Disabled);
        let taken: Vec<bool> = taken
            .filter_map(|it| match it.directory {
                Presence::Taken { doubtful, .. } => Some(doubtful),
                Presence::There | Presence::Departed(_) | Presence::Gone => None,
            })
            .collect();
        if taken.is_empty() {
            return String::new();
        }
        let mut text = Self::paragraph(
            "nobody gets into an account whose address belongs to somebody else now, and nothing \
             of it is written back: `tideover user disable ADDRESS` settles that; if it is the \
             same person, `tideover user confirm ADDRESS` lets him in again",
        );
        if taken.contains(&true) {
            text.push_str(&Self::paragraph(
                "of some it cannot be told whether they are the same person",
            ));
        }
        text
    }

    /// `user invite`.
    pub(crate) fn invitation(self, invitation: &Invitation) -> String {
        let revived = if invitation.was_disabled {
            "The account was disabled. It can be used again with this link; the password of before \
             stays dead.\n\n"
        } else {
            ""
        };
        let page = invitation
            .link
            .rsplit_once('/')
            .map_or("", |(page, _)| page);
        let code = match invitation.code.as_str() {
            // A server of before has none.
            "" => String::new(),
            code => format!(
                "Or let them open {} and type this code:\n\n  {}\n\n",
                visible(page),
                visible(code)
            ),
        };
        format!(
            "{revived}Give this link to {}, over a way that is safe:\n\n  {}\n\n\
             {code}It works once, until {}, and lets them set a password.\n",
            visible(&invitation.address),
            self.palette.paint(Tone::Strong, &visible(&invitation.link)),
            moment(invitation.expires, self.now)
        )
    }

    /// `user reset`.
    pub(crate) fn reset(self, invitation: &Invitation) -> String {
        let ended = format!(
            "The password of {} works no more, and nobody is logged in with it.\n\n",
            visible(&invitation.address)
        );
        ended + &self.invitation(invitation)
    }

    /// `user coverage`.
    pub(crate) fn coverage(self, coverage: &Coverage) -> String {
        let total = &coverage.total;
        if total.mailboxes == 0 {
            return "the directory names no mailboxes: `tideover directory list` shows it\n"
                .to_owned();
        }
        let head = ["DOMAIN", "MAILBOXES", "ENROLLED", "INVITED", "COVERAGE"];
        let mut table = Table::new(&head, &[0]);
        let mut row = |name: &str, covered: &Covered| {
            let tone = match covered.percent {
                100 => Tone::Good,
                _ => Tone::Waiting,
            };
            table.row([
                name.into(),
                covered.mailboxes.to_string().into(),
                covered.enrolled.to_string().into(),
                covered.invited.to_string().into(),
                Cell::toned(format!("{} %", covered.percent), tone),
            ]);
        };
        for (domain, covered) in &coverage.domains {
            row(domain, covered);
        }
        if coverage.domains.len() > 1 {
            row("together", total);
        }
        let mut text = table.render(self.palette);
        text.push_str(&Self::paragraph(&format!(
            "{} % enrolled: {} of {} can log in when their platform is down",
            total.percent, total.enrolled, total.mailboxes
        )));
        text.push_str(&Self::paragraph(&format!(
            "{} of them have more than a password: codes of an app, or a passkey",
            total.second_factor
        )));
        if coverage.departed > 0 {
            text.push_str(&Self::paragraph(&format!(
                "{} accounts are departed, their address belongs to somebody else: `tideover user \
                 list` names them",
                coverage.departed
            )));
        }
        if !coverage.missing.is_empty() {
            text.push_str(&Self::paragraph(
                "`tideover user coverage --missing` names the others; `tideover user invite \
                 ADDRESS` makes a link for one of them",
            ));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_says_that_it_opens_a_disabled_account() {
        let page = Page {
            palette: Palette::Plain,
            now: Timestamp::from_millis(0),
        };
        let mut invitation = Invitation {
            address: "ann@example.org".to_owned(),
            link: "http://x/invite/1".to_owned(),
            expires: Timestamp::from_millis(0),
            was_disabled: false,
            code: String::new(),
            name: String::new(),
            mailed_to: None,
        };
        assert!(!page.invitation(&invitation).contains("disabled"));
        assert!(!page.invitation(&invitation).contains("type this code"));
        invitation.was_disabled = true;
        invitation.code = "ABCD-EFGH".to_owned();
        let text = page.invitation(&invitation);
        assert!(
            text.contains("was disabled") && text.contains("stays dead"),
            "{text}"
        );
        let typed = "open http://x/invite and type this code:\n\n  ABCD-EFGH\n";
        assert!(text.contains(typed), "{text}");
    }
    use crate::base::Timestamp;
    use crate::terminal::Palette;

    #[test]
    fn coverage_says_how_many_and_what_to_do_next() {
        let page = Page {
            palette: Palette::Plain,
            now: Timestamp::from_millis(0),
        };
        let account = |state: AccountState| Account {
            address: "ann@example.org".to_owned(),
            state,
            created: Timestamp::from_millis(0),
            password: true,
            second_step: true,
            directory: Presence::There,
            renamed: None,
            passkeys: 0,
            provider: false,
        };
        let mut coverage = Coverage::default();
        assert!(page.coverage(&coverage).contains("tideover directory list"));
        for (domain, states) in [
            ("example.net", &[Some(AccountState::Active)][..]),
            (
                "example.org",
                &[
                    Some(AccountState::Active),
                    Some(AccountState::Invited),
                    None,
                ],
            ),
        ] {
            for state in states {
                let account = state.map(account);
                coverage.total.count(account.as_ref());
                let domain = coverage.domains.entry(domain.to_owned());
                domain.or_default().count(account.as_ref());
            }
        }
        coverage.missing = vec!["bob@example.org".to_owned()];
        let text = page.coverage(&coverage);
        let rows: Vec<Vec<&str>> = text
            .lines()
            .map(|row| row.split_whitespace().collect())
            .collect();
        assert_eq!(rows[2], ["example.org", "3", "1", "1", "33", "%"]);
        assert_eq!(rows[3], ["together", "4", "2", "1", "50", "%"]);
        assert!(text.contains("50 % enrolled: 2 of 4 can log in"), "{text}");
        assert!(
            text.contains("2 of them have more than a password"),
            "{text}"
        );
        assert!(text.contains("user coverage --missing"), "{text}");
    }

    #[test]
    fn the_list_says_with_what_somebody_logs_in() {
        let page = Page {
            palette: Palette::Plain,
            now: Timestamp::from_millis(0),
        };
        let account = |state, second_step, passkeys| Account {
            address: "ann@example.org".to_owned(),
            state,
            created: Timestamp::from_millis(0),
            password: state == AccountState::Active,
            second_step,
            passkeys,
            provider: false,
            directory: Presence::There,
            renamed: None,
        };
        for (account, told) in [
            (account(AccountState::Active, false, 0), "active password "),
            (
                account(AccountState::Active, true, 1),
                "active password, app, passkey ",
            ),
            (
                account(AccountState::Active, false, 3),
                "active password, 3 passkeys ",
            ),
            (account(AccountState::Invited, false, 0), "invited 00:00"),
            (
                account(AccountState::Directory, true, 0),
                "directory app 00:00",
            ),
        ] {
            let text = page.users(&[account]);
            let words: Vec<&str> = text.split_whitespace().collect();
            let line = words.join(" ");
            assert!(line.contains(told), "{text}");
        }
    }
}
