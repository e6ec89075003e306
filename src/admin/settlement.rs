//! What the end of a conflict of the directory changes, in a sentence: the records stay as they
//! are, so their numbers say nothing of it.

use crate::directory::{Conflict, ConflictKind, Verdict};

/// What becomes of the mail of `address`; `None` when that is none of these conflicts.
pub(super) fn told(conflicts: &[Conflict], address: &str, verdict: &Verdict) -> Option<String> {
    let mut about = conflicts.iter().filter(|one| one.address == address);
    match verdict {
        Verdict::Owner(wanted) => about.find_map(|one| owned(one, wanted)),
        Verdict::Home(wanted) => {
            let now = about.find_map(|one| one.homes.first())?;
            let told = if now.home == *wanted {
                format!("the mailbox of {address} stays at {wanted}")
            } else {
                let now = &now.home;
                format!("the mailbox of {address} is at {wanted} instead of {now}")
            };
            Some(told)
        }
    }
}

/// One who is named by his address or by his record.
fn owned(one: &Conflict, wanted: &str) -> Option<String> {
    if !matches!(one.kind, ConflictKind::Address | ConflictKind::X500) {
        return None;
    }
    let Conflict {
        address,
        owner,
        owner_record,
        claimant,
        claimant_record,
        ..
    } = one;
    let has_it = format!("{owner} ({owner_record})");
    let wants_it = format!("{claimant} ({claimant_record})");
    if wanted == owner_record || wanted == owner {
        Some(format!(
            "mail to {address} goes to {has_it} as now, and not to {wants_it}"
        ))
    } else if wanted == claimant_record || wanted == claimant {
        Some(format!(
            "mail to {address} goes to {wants_it} instead of {has_it}"
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::DisputedHome;
    use crate::mail::BackendId;

    fn conflict(kind: ConflictKind) -> Conflict {
        Conflict {
            kind,
            address: "archer@example.org".to_owned(),
            owner: "ann@example.org".to_owned(),
            owner_record: "hr/7".to_owned(),
            claimant: "eli@example.org".to_owned(),
            claimant_record: "ad/9".to_owned(),
            homes: Vec::new(),
            settled: None,
        }
    }

    #[test]
    fn whose_the_mail_is_then_is_told() {
        let all = [conflict(ConflictKind::Address)];
        let owner = |wanted: &str| {
            let verdict = Verdict::Owner(wanted.to_owned());
            told(&all, "archer@example.org", &verdict)
        };
        let other = "mail to archer@example.org goes to eli@example.org (ad/9) instead of \
                     ann@example.org (hr/7)";
        assert_eq!(owner("eli@example.org").as_deref(), Some(other));
        assert_eq!(owner("ad/9").as_deref(), Some(other));
        let same = owner("hr/7").unwrap();
        assert!(
            same.contains("goes to ann@example.org (hr/7) as now"),
            "{same}"
        );
        assert_eq!(owner("x@example.org"), None);
        let verdict = Verdict::Owner("hr/7".to_owned());
        assert_eq!(told(&all, "x@example.org", &verdict), None);
        let ambiguous = [conflict(ConflictKind::Ambiguous)];
        assert_eq!(told(&ambiguous, "archer@example.org", &verdict), None);
    }

    #[test]
    fn which_home_counts_then_is_told() {
        let home = |name: &str| DisputedHome {
            home: BackendId::new(name),
            source: "hr".to_owned(),
        };
        let all = [Conflict {
            homes: vec![home("onprem"), home("cloud")],
            ..conflict(ConflictKind::TwoMailboxes)
        }];
        for (wanted, expected) in [
            (
                "onprem",
                "the mailbox of archer@example.org stays at onprem",
            ),
            (
                "cloud",
                "the mailbox of archer@example.org is at cloud instead of onprem",
            ),
        ] {
            let verdict = Verdict::Home(BackendId::new(wanted));
            let found = told(&all, "archer@example.org", &verdict);
            assert_eq!(found.as_deref(), Some(expected));
        }
    }
}
