//! The table of all operations: from it come the routes, who may do what, and the document of the
//! API. Roles: who looks is a `viewer`; who changes something about users is `help-desk`; who acts
//! on mail, or sees bodies of messages, is an `operator`; what cannot be undone, and what is about
//! the program itself, is for an `admin`.

use super::Role::{Admin, HelpDesk, Operator, Viewer};
use super::operation::{Operation, ask, change, look};
use super::{
    activation_api, api, audit, automatic_api, cases_api, check_api, config_api, device_api,
    directory_api, directory_import, directory_past, directory_people, document, drill_api,
    hold_api, invitation_api, key_api, landing_api, move_api, nearly, notify_api, operators,
    override_api, queue_api, rehearsal_api, replay_api, report_api, spool_api, sync_api, tls_api,
    verified_api, wave_api, writeback_api, x500_api,
};
use crate::limits;

/// All operations.
pub(super) fn operations() -> Vec<Operation> {
    let parts = [
        state(),
        mail(),
        cases_and_holds(),
        directory(),
        moves(),
        replays(),
        users(),
        device_api::operations(),
        spool_api::operations(),
        check_api::operations(),
        automatic_api::operations(),
        key_api::operations(),
        tls_api::operations(),
        report_api::operations(),
        operators::operations(),
        audit::operations(),
        document::operations(),
    ];
    parts.into_iter().flatten().collect()
}

fn state() -> Vec<Operation> {
    vec![
        look("/api/status", Viewer, "How everything is", api::status),
        look("/api/size", Viewer, "How long the spool lasts", api::size),
        look("/api/backends", Viewer, "All backends", api::backends),
        look("/api/backends/{name}", Viewer, "One backend", api::backend),
        change(
            "/api/backends/{name}/override",
            Operator,
            "Hold, drain, resume or force a backend",
            override_api::overrule,
        ),
        change(
            "/api/backends/{name}/probe",
            Operator,
            "Probe a backend now",
            override_api::probe,
        )
        .without_reason(),
        look("/api/drill", Viewer, "The drills", drill_api::status),
        change("/api/drill/run", Operator, "Drill now", drill_api::run),
        look("/api/notify", Viewer, "Who is told", notify_api::status),
        change(
            "/api/notify/test",
            Operator,
            "Send a notice by each way, to try them",
            notify_api::test,
        ),
        look(
            "/api/config",
            Operator,
            "The config that runs, and what a reload would change",
            config_api::config,
        ),
        change("/api/reload", Admin, "Read the config again", api::reload).reading_config(),
    ]
}

fn mail() -> Vec<Operation> {
    vec![
        look("/api/queue", Viewer, "Recipients that wait", api::queue),
        ask(
            "/api/queue/select",
            Viewer,
            "A page of a selection of what waits",
            queue_api::select,
        ),
        change(
            "/api/queue/perform",
            Operator,
            "Do a deed to a page of a selection (one of them takes admin)",
            queue_api::perform,
        )
        .dearer("a drop", Admin),
        look("/api/messages/{id}", Viewer, "A message", api::message),
        look(
            "/api/messages/{id}/export",
            Operator,
            "A message with its envelope, for a manifest",
            queue_api::export,
        ),
        look(
            "/api/messages/{id}/body",
            Operator,
            "The bytes of a message",
            queue_api::body,
        )
        .reveals(),
        look(
            "/api/explain",
            Viewer,
            "The route of an address, step by step",
            nearly::explain,
        ),
        look(
            "/api/trace",
            Viewer,
            "What became of a message, or of the mail of an address",
            api::trace,
        ),
    ]
}

fn cases_and_holds() -> Vec<Operation> {
    vec![
        look(
            "/api/cases",
            Viewer,
            "Refusals that are alike",
            cases_api::list,
        ),
        look("/api/cases/{id}", Viewer, "One case", cases_api::show),
        change(
            "/api/cases/{id}/release",
            Operator,
            "Try one message of a case; the others follow when it is accepted",
            cases_api::release,
        ),
        change(
            "/api/cases/{id}/bounce",
            Admin,
            "Give a case up",
            cases_api::bounce,
        ),
        look("/api/holds", Viewer, "The holds in force", hold_api::list),
        change("/api/holds", Operator, "Hold mail", hold_api::hold),
        change("/api/holds/end", Operator, "End holds", hold_api::end),
    ]
}

fn directory() -> Vec<Operation> {
    vec![
        look(
            "/api/directory",
            Viewer,
            "What is known of an address, now or at another time",
            directory_api::lookup,
        ),
        look(
            "/api/directory/entries",
            Viewer,
            "People and groups",
            directory_people::entries,
        ),
        look(
            "/api/directory/export",
            Viewer,
            "The directory as directory.csv",
            directory_api::export,
        ),
        look(
            "/api/directory/generations",
            Viewer,
            "All changes of the directory",
            directory_past::generations,
        ),
        look(
            "/api/directory/diff",
            Viewer,
            "What changed from one generation to another",
            directory_past::diff,
        ),
        look(
            "/api/directory/conflicts",
            Viewer,
            "Addresses that more than one claims",
            directory_api::conflicts,
        ),
        look(
            "/api/directory/verified",
            Viewer,
            "Addresses of which a home said that they exist",
            verified_api::list,
        ),
        look(
            "/api/directory/x500",
            Viewer,
            "X.500 addresses, as platforms take them",
            x500_api::list,
        ),
        look(
            "/api/directory/x500/used",
            Viewer,
            "X.500 addresses that are still used",
            x500_api::used,
        ),
        look(
            "/api/directory/normalised",
            Viewer,
            "Addresses that were written in another form",
            directory_api::normalised,
        ),
    ]
    .into_iter()
    .chain(directory_changes())
    .collect()
}

fn directory_changes() -> Vec<Operation> {
    vec![
        look(
            "/api/directory/status",
            Viewer,
            "The directory and its sources",
            sync_api::status,
        ),
        change(
            "/api/directory/import",
            Operator,
            "Take over directory.csv",
            directory_import::import,
        )
        .of_any_size(),
        change(
            "/api/directory/revert",
            Operator,
            "Go back to an earlier generation",
            directory_past::revert,
        ),
        change(
            "/api/directory/settle",
            Operator,
            "End a conflict",
            directory_api::settle,
        ),
        change(
            "/api/directory/set",
            Operator,
            "Say the home or the delivery address of somebody",
            directory_api::set,
        ),
        change(
            "/api/directory/sync",
            Operator,
            "Synchronise sources now",
            sync_api::sync,
        ),
        change(
            "/api/directory/forget",
            Operator,
            "Ask a home about an address anew",
            verified_api::forget,
        ),
    ]
}

fn moves() -> Vec<Operation> {
    vec![
        look("/api/moves", Viewer, "Domains on the move", move_api::list),
        change(
            "/api/moves/{domain}",
            Operator,
            "Take a step of a move",
            move_api::step,
        ),
        look("/api/waves", Viewer, "Waves", wave_api::list),
        change(
            "/api/waves/plan",
            Operator,
            "Lock the file of a wave, and see what it would do",
            wave_api::plan,
        )
        .without_reason()
        .up_to(limits::WAVE_FILE),
        change(
            "/api/waves/start",
            Operator,
            "Start a wave, now or later",
            wave_api::start,
        )
        .up_to(limits::WAVE_FILE),
        ask(
            "/api/waves/status",
            Viewer,
            "One wave and its people",
            wave_api::status,
        )
        .up_to(limits::WAVE_FILE),
        change(
            "/api/waves/revert",
            Operator,
            "Take a wave back",
            wave_api::revert,
        )
        .up_to(limits::WAVE_FILE),
        ask(
            "/api/rehearse",
            Viewer,
            "Let mail that came go through another directory",
            rehearsal_api::rehearse,
        )
        .up_to(limits::REHEARSAL_FILE),
    ]
}

fn replays() -> Vec<Operation> {
    vec![
        look("/api/replays", Viewer, "Replays", replay_api::list),
        change(
            "/api/replays/plan",
            Operator,
            "Count what a replay would bring, and keep it as a plan",
            replay_api::plan,
        )
        .without_reason()
        .up_to(limits::REPLAY_PEOPLE),
        look("/api/replays/{id}", Viewer, "A replay", replay_api::status),
        change(
            "/api/replays/{id}/start",
            Operator,
            "Start a replay",
            replay_api::start,
        ),
        change(
            "/api/replays/{id}/pause",
            Operator,
            "Pause a replay",
            replay_api::pause,
        ),
        change(
            "/api/replays/{id}/resume",
            Operator,
            "Go on with a replay",
            replay_api::resume,
        ),
        change(
            "/api/replays/{id}/stop",
            Operator,
            "End a replay",
            replay_api::stop,
        ),
    ]
    .into_iter()
    .chain(mailboxes())
    .collect()
}

fn mailboxes() -> Vec<Operation> {
    vec![
        look(
            "/api/landing",
            Viewer,
            "Is what was delivered in the mailboxes?",
            landing_api::status,
        ),
        change(
            "/api/landing/check",
            Operator,
            "Ask mailboxes what they have",
            landing_api::check,
        )
        .up_to(limits::REPLAY_PEOPLE),
        change(
            "/api/landing/missing/{name}/dismiss",
            Operator,
            "Take something off the list of missing mail",
            landing_api::dismiss,
        ),
        look(
            "/api/writebacks",
            Viewer,
            "Write-backs",
            writeback_api::list,
        ),
        ask(
            "/api/writebacks/plan",
            Viewer,
            "What a write-back would carry",
            writeback_api::plan,
        )
        .up_to(limits::REPLAY_PEOPLE),
        change(
            "/api/writebacks/start",
            Operator,
            "Start a write-back",
            writeback_api::start,
        )
        .up_to(limits::REPLAY_PEOPLE),
        look(
            "/api/writebacks/last",
            Viewer,
            "The last write-back",
            writeback_api::last,
        ),
        look(
            "/api/writebacks/{id}",
            Viewer,
            "One write-back",
            writeback_api::status,
        ),
        change(
            "/api/writebacks/{id}/stop",
            Operator,
            "End a write-back",
            writeback_api::stop,
        ),
    ]
}

fn users() -> Vec<Operation> {
    vec![
        look("/api/users", Viewer, "Accounts of the webmail", api::users),
        look(
            "/api/users/coverage",
            Viewer,
            "How many of those who have a mailbox can log in",
            api::coverage,
        ),
        change(
            "/api/users/invite",
            HelpDesk,
            "Make a link with which a user sets his password",
            api::invite,
        ),
        change(
            "/api/users/invitations",
            HelpDesk,
            "The same for many",
            invitation_api::invite,
        ),
        change(
            "/api/users/reset",
            HelpDesk,
            "Make a link for who has lost his password",
            api::reset,
        ),
        change(
            "/api/users/disable",
            HelpDesk,
            "End a user's sessions and refuse new ones",
            api::disable,
        ),
        change(
            "/api/users/confirm",
            HelpDesk,
            "Say that who has the address of a departed account is the same person",
            api::confirm,
        ),
        look(
            "/api/webmail",
            Viewer,
            "For whom the webmail is open",
            activation_api::show,
        ),
        change(
            "/api/webmail",
            Operator,
            "Open or shut the webmail",
            activation_api::say,
        ),
    ]
}
