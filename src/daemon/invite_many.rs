//! Invitations for many at once: made, and sent by mail.

use std::collections::{BTreeMap, HashMap};

use super::accounts::{AccountDesk, by_person, refused};
use crate::admin::{
    AccountRefused, AccountState, Invitation, InviteQuery, InvitedView, LeftOut, MailTo,
};
use crate::directory::{Directory, EntryKind, Lookup};
use crate::smtp::Mailbox;
use crate::webmail::{InvitationMail, Mailed};

impl AccountDesk {
    /// Who cannot be invited is left out, and the others are.
    pub(super) async fn invite_all(
        &self,
        query: InviteQuery,
    ) -> Result<InvitedView, AccountRefused> {
        self.check_served()?;
        if let Some(domain) = &query.domain {
            check_domain(&self.directory.current(), domain)?;
        }
        let mut told = InvitedView::default();
        let mut whom = BTreeMap::new();
        for text in &query.addresses {
            let parsed = text.trim().parse::<Mailbox>();
            let parsed = parsed.map_err(|error| error.to_string());
            let found = parsed.and_then(|it| self.mailbox_of(&it).map_err(|it| it.to_string()));
            match found {
                Ok(mailbox) => {
                    whom.insert(mailbox.key(), mailbox);
                }
                Err(why) => told.left_out.push(LeftOut {
                    address: text.clone(),
                    why,
                }),
            }
        }
        if query.all_missing {
            whom.extend(self.missing(&query).await?);
        }
        for mailbox in whom.into_values() {
            self.invite_and_mail(&mailbox, &query, &mut told).await?;
        }
        Ok(told)
    }

    async fn invite_and_mail(
        &self,
        mailbox: &Mailbox,
        query: &InviteQuery,
        told: &mut InvitedView,
    ) -> Result<(), AccountRefused> {
        let address = mailbox.to_string();
        let (name, second) = known_of(&self.directory.current(), mailbox);
        let to = match query.mail {
            None => None,
            Some(MailTo::First) => Some(mailbox.clone()),
            Some(MailTo::Second) => {
                // Before the invitation is made: an earlier one shall not end for nothing.
                let Some(second) = second else {
                    let why = "the directory names no second address".to_owned();
                    told.left_out.push(LeftOut { address, why });
                    return Ok(());
                };
                Some(second)
            }
        };
        let mut invitation = self.invite_one(mailbox).await?;
        invitation.name = name;
        if let Some(to) = to {
            match self.mail(&to, &invitation).await? {
                Ok(()) => invitation.mailed_to = Some(to.to_string()),
                Err(why) => told.left_out.push(LeftOut { address, why }),
            }
        }
        told.invitations.push(invitation);
        Ok(())
    }

    async fn mail(
        &self,
        to: &Mailbox,
        invitation: &Invitation,
    ) -> Result<Result<(), String>, AccountRefused> {
        let Some(webmail) = &self.webmail else {
            return Ok(Err("there is no webmail".to_owned()));
        };
        let mail = InvitationMail {
            to,
            address: &invitation.address,
            link: &invitation.link,
            expires: invitation.expires,
        };
        let mailed = webmail.mail_invitation(&mail).await;
        Ok(match mailed.map_err(AccountRefused::Failed)? {
            Mailed::Sent => Ok(()),
            Mailed::Down(backend) => Err(format!(
                "{to} is on {backend}, which takes no mail now: give the link in another way"
            )),
            Mailed::Refused(why) => Err(format!("{to} gets no mail: {why}")),
        })
    }

    /// Who has a mailbox and cannot log in. Who was shut out is not let in by the way.
    async fn missing(
        &self,
        query: &InviteQuery,
    ) -> Result<BTreeMap<String, Mailbox>, AccountRefused> {
        let accounts = self.accounts.list().await.map_err(refused)?;
        let known = by_person(&accounts).into_iter();
        let mut states: HashMap<_, _> = known.map(|(key, one)| (key, one.state)).collect();
        // An address that is somebody else's may be the one of an account that is not his.
        let departed = accounts.iter().filter(|one| one.departed().is_some());
        for one in departed {
            states.entry(one.key()).or_insert(AccountState::Disabled);
        }
        let directory = self.directory.current();
        let query = query.clone();
        let found = tokio::task::spawn_blocking(move || missing(&directory, &states, &query)).await;
        found.map_err(|error| AccountRefused::Failed(error.to_string()))
    }
}

fn missing(
    directory: &Directory,
    states: &HashMap<String, AccountState>,
    query: &InviteQuery,
) -> BTreeMap<String, Mailbox> {
    let wanted = query.domain.as_deref().map(str::to_ascii_lowercase);
    let mut found = BTreeMap::new();
    for entry in directory.entries() {
        let has_mailbox = matches!(entry.kind, EntryKind::Mailbox | EntryKind::User);
        let domain = entry.address.domain().key();
        let is_wanted = wanted.as_ref().is_none_or(|wanted| *wanted == domain);
        let is_missing = match states.get(&entry.address.key()) {
            // Theirs is no password that works on the day.
            None | Some(AccountState::Directory) => true,
            Some(AccountState::Invited) => query.again,
            Some(AccountState::Active | AccountState::Disabled) => false,
        };
        if has_mailbox && entry.departed.is_none() && is_wanted && is_missing {
            found.insert(entry.address.key(), entry.address);
        }
    }
    found
}

/// A domain that is spelled wrong has nobody who is missing.
fn check_domain(directory: &Directory, domain: &str) -> Result<(), AccountRefused> {
    let wanted = domain.to_ascii_lowercase();
    if directory
        .entries()
        .any(|entry| entry.address.domain().key() == wanted)
    {
        return Ok(());
    }
    Err(AccountRefused::NoSuch(format!(
        "no such domain: the directory has nobody in {domain}; see `tideover user coverage`"
    )))
}

/// The name and the second address of somebody.
fn known_of(directory: &Directory, mailbox: &Mailbox) -> (String, Option<Mailbox>) {
    match directory.lookup(mailbox) {
        Lookup::Known { entry, .. } => (entry.name.clone(), entry.second_address.clone()),
        Lookup::Unknown(_) | Lookup::Stranger => (String::new(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{ImportOptions, read_csv};

    #[test]
    fn all_who_are_missing_are_found_and_nobody_who_was_shut_out() {
        let csv = "address,type,second_address\nann@example.org,mailbox,ann@home.example\n\
                   bob@example.org,mailbox,\neve@example.org,mailbox,\nnew@example.org,user,\n\
                   carl@example.net,mailbox,\nall@example.org,group,\n";
        let directory = read_csv(csv.as_bytes(), ImportOptions::default()).unwrap();
        let states = HashMap::from([
            ("ann@example.org".to_owned(), AccountState::Active),
            ("bob@example.org".to_owned(), AccountState::Invited),
            ("eve@example.org".to_owned(), AccountState::Disabled),
        ]);
        let found = |domain: Option<&str>, again| {
            let query = InviteQuery {
                domain: domain.map(str::to_owned),
                again,
                ..InviteQuery::default()
            };
            let found = missing(&directory, &states, &query);
            found.into_keys().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(found(None, false), "carl@example.net new@example.org");
        assert_eq!(found(Some("Example.ORG"), false), "new@example.org");
        assert_eq!(check_domain(&directory, "Example.ORG"), Ok(()));
        let typo = check_domain(&directory, "exmaple.org").unwrap_err();
        assert!(typo.to_string().starts_with("no such domain"), "{typo}");
        let again = "bob@example.org new@example.org";
        assert_eq!(found(Some("example.org"), true), again);
        let ann = "ann@example.org".parse().unwrap();
        let second = known_of(&directory, &ann).1.map(|it| it.to_string());
        assert_eq!(second.as_deref(), Some("ann@home.example"));
    }
}
