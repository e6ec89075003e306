//! What has to be done in a mailbox, from what the user did here and what is there. Pure.

use super::record::{Carried, Written};
use crate::imap::{Flags, Spot};
use crate::mail::{FolderKind, Mark, MarkPlace};

/// Something to be done with one place of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Set the first flags, take the second ones away.
    Flag(Spot, Flags, Flags),
    /// Move it.
    File(Spot, FolderKind),
    /// It is where it belongs already, as a second copy: what is left of a cut-off move.
    TakeOut(Spot, FolderKind),
}

impl Step {
    /// Counts it as done; its kind, in one word.
    pub(super) const fn count(&self, carried: &mut Carried) -> &'static str {
        match self {
            Self::Flag(..) => {
                carried.states += 1;
                "state"
            }
            Self::File(_, FolderKind::Trash) | Self::TakeOut(_, FolderKind::Trash) => {
                carried.deleted += 1;
                "deleted"
            }
            Self::File(..) | Self::TakeOut(..) => {
                carried.filed += 1;
                "filed"
            }
        }
    }
}

/// What has to be done about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The mailbox does not have it.
    Absent,
    /// These, in order; none: all is as it is to be.
    Do(Vec<Step>),
}

/// Where a place of the webmail is in a mailbox.
pub(super) const fn folder_of(place: MarkPlace) -> FolderKind {
    match place {
        MarkPlace::Archive => FolderKind::Archive,
        // Out of sight here, but never erased there.
        MarkPlace::Deleted | MarkPlace::Gone => FolderKind::Trash,
    }
}

/// About a message that the user got.
pub(super) fn about_mark(spots: &[Spot], (mark, before): (&Mark, Option<&Written>)) -> Verdict {
    let spots = received(spots);
    if spots.is_empty() {
        return Verdict::Absent;
    }
    let mut steps = flags(&spots, (mark, before));
    steps.extend(filing(&spots, (mark, before)));
    Verdict::Do(steps)
}

/// About a message that the user sent; `Absent`: it has to be put there.
pub(super) fn about_sent(spots: &[Spot], (mark, before): (&Mark, Option<&Written>)) -> Verdict {
    let wanted = mark.place.map(folder_of);
    let filed = before.and_then(|it| it.place).map(folder_of);
    let is_sent = |spot: &&Spot| {
        // A copy that came to him has our line, or lies elsewhere.
        let is_known = Some(spot.kind) == wanted || Some(spot.kind) == filed;
        let fits = spot.kind == FolderKind::Sent || !spot.is_ours && is_known;
        fits && !spot.flags.deleted
    };
    let spots: Vec<Spot> = spots.iter().filter(is_sent).cloned().collect();
    if spots.is_empty() {
        return Verdict::Absent;
    }
    let mut steps = flags(&spots, (mark, before));
    if wanted != filed {
        let wanted = wanted.unwrap_or(FolderKind::Sent);
        let from = filed.unwrap_or(FolderKind::Sent);
        let is_there = spots.iter().any(|spot| spot.kind == wanted);
        let leaving = spots.iter().filter(|spot| spot.kind == from);
        steps.extend(leaving.map(|spot| moved(spot, (wanted, is_there))));
    }
    Verdict::Do(steps)
}

/// What the mailbox should look like if nobody did anything there since: for a plan, which asks
/// none.
pub(super) fn expected(before: Option<&Written>, home: FolderKind) -> Spot {
    let place = before.and_then(|it| it.place).map(folder_of);
    let flags = Flags {
        seen: before.is_some_and(|it| it.seen),
        flagged: before.is_some_and(|it| it.flagged),
        deleted: false,
    };
    let mut spot = Spot::supposed(place.unwrap_or(home), flags);
    // What he sent has no line of ours.
    spot.is_ours = home != FolderKind::Sent;
    spot
}

/// The places that count: what is marked as deleted is gone for the user, and in Sent and Drafts
/// lies what he wrote himself. Where our line is, other copies came by another way.
fn received(spots: &[Spot]) -> Vec<Spot> {
    let counts = |spot: &&Spot| {
        let is_copy = matches!(spot.kind, FolderKind::Sent | FolderKind::Drafts);
        !spot.flags.deleted && (spot.is_ours || !is_copy)
    };
    let counting: Vec<&Spot> = spots.iter().filter(counts).collect();
    let has_ours = counting.iter().any(|spot| spot.is_ours);
    let counting = counting.into_iter();
    counting
        .filter(|spot| spot.is_ours || !has_ours)
        .cloned()
        .collect()
}

fn flags(spots: &[Spot], (mark, before): (&Mark, Option<&Written>)) -> Vec<Step> {
    let mut steps = Vec::new();
    for spot in spots {
        let (mut add, mut remove) = (Flags::default(), Flags::default());
        // What we have set and he has taken away there is his matter.
        let had = before.map_or((false, false), |it| (it.seen, it.flagged));
        add.seen = mark.read.is_some() && !spot.flags.seen && !had.0;
        add.flagged = mark.flagged.is_some() && !spot.flags.flagged && !had.1;
        // Only what we have set is taken away: the rest he did there.
        remove.seen = mark.read.is_none() && spot.flags.seen && before.is_some_and(|it| it.seen);
        remove.flagged =
            mark.flagged.is_none() && spot.flags.flagged && before.is_some_and(|it| it.flagged);
        if add != Flags::default() || remove != Flags::default() {
            steps.push(Step::Flag(spot.clone(), add, remove));
        }
    }
    steps
}

fn filing(spots: &[Spot], (mark, before): (&Mark, Option<&Written>)) -> Vec<Step> {
    let before = before.and_then(|it| it.place).map(folder_of);
    let wanted = match (mark.place.map(folder_of), before) {
        // Where it went since then he wanted there.
        (Some(wanted), Some(before)) if wanted == before => return Vec::new(),
        (Some(wanted), _) => wanted,
        // Taken back here: from where we have put it, and from nowhere else.
        (None, Some(_)) => FolderKind::Inbox,
        (None, None) => return Vec::new(),
    };
    let goes = |spot: &&Spot| match wanted {
        // What he, or a rule, has filed there is where he wants it.
        FolderKind::Archive => spot.kind == FolderKind::Inbox || Some(spot.kind) == before,
        FolderKind::Trash => spot.kind != FolderKind::Trash && spot.kind != FolderKind::All,
        FolderKind::Inbox => {
            // Gmail's archive leaves him his own labels.
            let is_labelled = spot.has_labels && spot.kind == FolderKind::Other;
            let is_archived = is_labelled && before == Some(FolderKind::Archive);
            Some(spot.kind) == before || is_archived
        }
        FolderKind::Other
        | FolderKind::Sent
        | FolderKind::Drafts
        | FolderKind::All
        | FolderKind::Junk => Some(spot.kind) == before,
    };
    // Only of what surely is the same message one copy is enough.
    let is_there = spots.iter().any(|spot| spot.kind == wanted && spot.is_ours);
    let going = spots.iter().filter(|spot| spot.kind != wanted).filter(goes);
    going
        .map(|spot| moved(spot, (wanted, is_there && spot.is_ours)))
        .collect()
}

fn moved(spot: &Spot, (wanted, is_there): (FolderKind, bool)) -> Step {
    if is_there {
        Step::TakeOut(spot.clone(), wanted)
    } else {
        Step::File(spot.clone(), wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::mail::BackendId;

    const NOW: Timestamp = Timestamp::from_millis(5);

    /// `s`: read, `f`: flagged.
    fn mark(flags: &str, place: Option<MarkPlace>) -> Mark {
        Mark {
            read: flags.contains('s').then_some(NOW),
            flagged: flags.contains('f').then_some(NOW),
            place,
            changed: NOW,
        }
    }

    fn written(of: &Mark) -> Written {
        Written {
            backend: BackendId::new("onprem"),
            at: NOW,
            changed: of.changed,
            seen: of.read.is_some(),
            flagged: of.flagged.is_some(),
            place: of.place,
            begun: Vec::new(),
            copy: None,
            accepted: false,
        }
    }

    /// In short: `+s-f 1`, `trash 2`, `trash! 3`.
    fn told(verdict: &Verdict) -> String {
        let Verdict::Do(steps) = verdict else {
            return "absent".to_owned();
        };
        let letters = |flags: &Flags| {
            let seen = if flags.seen { "s" } else { "" };
            format!("{seen}{}", if flags.flagged { "f" } else { "" })
        };
        let steps = steps.iter().map(|step| match step {
            Step::Flag(spot, add, remove) => {
                format!("+{}-{} {}", letters(add), letters(remove), spot.uid())
            }
            Step::File(spot, kind) => format!("{} {}", kind.word(), spot.uid()),
            Step::TakeOut(spot, kind) => format!("{}! {}", kind.word(), spot.uid()),
        });
        steps.collect::<Vec<_>>().join(", ")
    }

    fn spot(kind: FolderKind, uid: u32) -> Spot {
        Spot::at(kind, uid)
    }

    fn foreign(kind: FolderKind, uid: u32) -> Spot {
        let mut spot = Spot::at(kind, uid);
        spot.is_ours = false;
        spot
    }

    #[test]
    fn what_he_did_here_is_done_there() {
        use FolderKind::{Archive, Inbox, Junk, Other, Trash};
        use MarkPlace::{Deleted, Gone};
        let archive = Some(MarkPlace::Archive);
        for (spots, mark, expected) in [
            (vec![], mark("s", None), "absent"),
            (vec![spot(Inbox, 1)], mark("sf", None), "+sf- 1"),
            (vec![spot(Inbox, 1)], mark("", archive), "archive 1"),
            (vec![spot(Other, 1)], mark("", archive), ""),
            (vec![spot(Junk, 1)], mark("", archive), ""),
            (vec![spot(Archive, 1)], mark("", archive), ""),
            (
                vec![spot(Inbox, 1)],
                mark("s", Some(Deleted)),
                "+s- 1, trash 1",
            ),
            (vec![spot(Other, 1)], mark("", Some(Gone)), "trash 1"),
            (vec![spot(Trash, 1)], mark("", Some(Deleted)), ""),
            (
                vec![spot(Inbox, 1), spot(Trash, 2)],
                mark("", Some(Deleted)),
                "trash! 1",
            ),
        ] {
            let verdict = about_mark(&spots, (&mark, None));
            assert_eq!(told(&verdict), expected, "{spots:?} {mark:?}");
        }
    }

    #[test]
    fn copies_that_came_another_way_are_left_alone() {
        use FolderKind::{Inbox, Other, Sent};
        let deleted = mark("s", Some(MarkPlace::Deleted));
        let spots = [spot(Inbox, 1), foreign(Other, 2), foreign(Sent, 3)];
        assert_eq!(
            told(&about_mark(&spots, (&deleted, None))),
            "+s- 1, trash 1"
        );
        let verdict = about_mark(&spots[1..], (&deleted, None));
        assert_eq!(told(&verdict), "+s- 2, trash 2", "by its Message-ID alone");
        let verdict = about_mark(&spots[2..], (&deleted, None));
        assert_eq!(verdict, Verdict::Absent, "what he wrote himself");
        let mut gone = spot(Inbox, 1);
        gone.flags.deleted = true;
        assert_eq!(about_mark(&[gone], (&deleted, None)), Verdict::Absent);
    }

    #[test]
    fn only_what_we_did_is_undone() {
        use FolderKind::{Archive, Inbox, Other};
        let before = mark("sf", Some(MarkPlace::Archive));
        let after = mark("", None);
        let both = Flags {
            seen: true,
            flagged: true,
            deleted: false,
        };
        let at = |kind| {
            let mut spot = spot(kind, 1);
            spot.flags = both;
            spot
        };
        let known = written(&before);
        let verdict = |kind, known| told(&about_mark(&[at(kind)], (&after, known)));
        assert_eq!(verdict(Archive, Some(&known)), "+-sf 1, inbox 1");
        assert_eq!(verdict(Archive, None), "", "he filed it there himself");
        assert_eq!(verdict(Other, Some(&known)), "+-sf 1", "he filed it on");
        assert_eq!(verdict(Inbox, Some(&known)), "+-sf 1");
        let mut labelled = at(Other);
        labelled.has_labels = true;
        let verdict = told(&about_mark(&[labelled], (&after, Some(&known))));
        assert_eq!(verdict, "+-sf 1, inbox 1", "its label kept it no inbox");
    }

    #[test]
    fn what_he_did_there_since_is_his_matter() {
        use FolderKind::{Inbox, Other, Sent, Trash};
        let before = written(&mark("s", Some(MarkPlace::Deleted)));
        let after = mark("sf", Some(MarkPlace::Deleted));
        for kind in [Inbox, Other, Trash] {
            // Taken out of the bin and marked as unread there; a flag comes from here.
            let verdict = about_mark(&[spot(kind, 1)], (&after, Some(&before)));
            assert_eq!(told(&verdict), "+f- 1", "{kind:?}");
        }
        let verdict = about_sent(&[foreign(Sent, 1)], (&after, Some(&before)));
        assert_eq!(told(&verdict), "+f- 1");
    }

    #[test]
    fn a_letter_that_was_taken_back_goes_back() {
        use FolderKind::{Archive, Sent, Trash};
        let deleted = written(&mark("", Some(MarkPlace::Deleted)));
        let archive = mark("", Some(MarkPlace::Archive));
        let plain = mark("", None);
        for (spots, mark, expected) in [
            (vec![foreign(Trash, 1)], &plain, "sent 1"),
            (vec![foreign(Trash, 1)], &archive, "archive 1"),
            (vec![foreign(Trash, 1), foreign(Sent, 2)], &plain, "sent! 1"),
            (vec![foreign(Archive, 1)], &archive, ""),
        ] {
            let verdict = about_sent(&spots, (mark, Some(&deleted)));
            assert_eq!(told(&verdict), expected, "{spots:?}");
        }
    }

    #[test]
    fn nothing_is_taken_out_because_of_another_copy() {
        use FolderKind::{Inbox, Trash};
        let deleted = mark("", Some(MarkPlace::Deleted));
        for spots in [
            [foreign(Inbox, 1), foreign(Trash, 2)],
            [foreign(Trash, 2), spot(Inbox, 1)],
        ] {
            let verdict = about_mark(&spots, (&deleted, None));
            assert_eq!(told(&verdict), "trash 1", "{spots:?}");
        }
    }

    #[test]
    fn what_he_sent_is_put_there_once() {
        use FolderKind::{Inbox, Sent, Trash};
        let plain = mark("", None);
        let deleted = mark("", Some(MarkPlace::Deleted));
        for (spots, mark, expected) in [
            (vec![], &plain, "absent"),
            (vec![foreign(Sent, 1)], &plain, ""),
            (vec![spot(Inbox, 1)], &plain, "absent"),
            (vec![spot(Trash, 1)], &deleted, "absent"),
            (vec![foreign(Trash, 1)], &deleted, ""),
            (vec![foreign(Trash, 1)], &plain, "absent"),
            (vec![foreign(Sent, 1)], &deleted, "trash 1"),
            (
                vec![foreign(Sent, 1), foreign(Trash, 2)],
                &deleted,
                "trash! 1",
            ),
        ] {
            let verdict = about_sent(&spots, (mark, None));
            assert_eq!(told(&verdict), expected, "{spots:?} {mark:?}");
        }
    }
}
