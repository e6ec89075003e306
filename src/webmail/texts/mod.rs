//! Every word that a user of the webmail reads, one constant for each language. Parts in braces
//! are filled in by [`fill`].

mod english;
mod german;

pub(crate) use english::ENGLISH;
use german::GERMAN;

/// Every language.
pub(crate) const ALL: [&Texts; 2] = [&ENGLISH, &GERMAN];

/// The words of one language.
#[derive(Debug)]
pub(crate) struct Texts {
    /// BCP 47 tag of the language.
    pub lang: &'static str,
    /// Short names of the months.
    pub months: [&'static str; 12],
    /// A day of this year.
    pub day: &'static str,
    /// A day of another year.
    pub day_year: &'static str,
    /// A day and a time.
    pub day_time: &'static str,

    // The frame of every page
    pub skip: &'static str,
    pub main_navigation: &'static str,
    pub inbox: &'static str,
    pub sent: &'static str,
    pub write: &'static str,
    pub log_out: &'static str,

    // Banner
    pub banner_down: &'static str,
    pub banner_rejecting: &'static str,
    pub banner_held: &'static str,
    pub banner_moving: &'static str,
    pub banner_moving_help: &'static str,
    pub banner_help: &'static str,

    // Open or not
    pub not_open_title: &'static str,
    pub not_open: &'static str,
    pub not_open_short: &'static str,
    pub to_security: &'static str,
    pub login_shut: &'static str,
    pub read_only_title: &'static str,
    pub read_only: &'static str,
    pub read_only_refused: &'static str,
    pub test_title: &'static str,
    pub test: &'static str,

    // Invitations on paper and by mail
    pub code_title: &'static str,
    pub code_lead: &'static str,
    pub code_label: &'static str,
    pub code_go: &'static str,
    pub invite_code_wrong: &'static str,
    pub sheet_how: &'static str,
    pub invite_subject: &'static str,
    pub invite_mail: &'static str,

    // Notices to the second address
    pub begins_subject: &'static str,
    pub begins: &'static str,
    pub ends_subject: &'static str,
    pub ends: &'static str,

    // Login and invitation
    pub login_title: &'static str,
    pub login_lead: &'static str,
    pub address: &'static str,
    pub password: &'static str,
    pub log_in: &'static str,
    pub login_wrong: &'static str,
    pub login_wait: &'static str,
    pub minutes: &'static str,
    pub login_help: &'static str,
    pub logged_out: &'static str,
    pub invite_title: &'static str,
    pub invite_lead: &'static str,
    pub new_password: &'static str,
    pub repeat_password: &'static str,
    pub password_rule: &'static str,
    pub set_password: &'static str,
    pub passwords_differ: &'static str,
    pub password_refused: &'static str,
    pub password_set: &'static str,
    pub invite_gone_title: &'static str,
    pub invite_gone: &'static str,

    // Lists
    pub inbox_empty_title: &'static str,
    pub inbox_empty: &'static str,
    pub sent_empty_title: &'static str,
    pub sent_empty: &'static str,
    pub has_attachments: &'static str,
    pub unread: &'static str,
    pub no_subject: &'static str,
    pub no_sender: &'static str,
    pub older: &'static str,
    /// Finished mail beyond the mailbox's quota.
    pub beyond_quota: &'static str,
    pub newest: &'static str,
    pub pages: &'static str,
    pub to_prefix: &'static str,
    pub and_more: &'static str,
    pub check_again: &'static str,

    // States of mail
    pub state_delivered: &'static str,
    pub state_waits: &'static str,
    pub state_on_its_way: &'static str,
    pub state_retry: &'static str,
    pub state_held: &'static str,
    pub state_moving: &'static str,
    pub state_bounced: &'static str,
    pub state_expanded: &'static str,
    pub state_dropped: &'static str,
    pub state_left: &'static str,
    pub state_some_left: &'static str,
    pub state_some_failed: &'static str,
    pub detail_delivered: &'static str,
    pub detail_since: &'static str,
    pub detail_refused: &'static str,

    // One message
    pub from: &'static str,
    pub to: &'static str,
    pub cc: &'static str,
    pub date: &'static str,
    pub reply: &'static str,
    pub reply_all: &'static str,
    pub back: &'static str,
    pub source: &'static str,
    pub actions: &'static str,
    pub show_plain: &'static str,
    pub show_rich: &'static str,
    pub frame_title: &'static str,
    pub open_frame: &'static str,
    pub images_blocked_one: &'static str,
    pub images_blocked: &'static str,
    pub load_images: &'static str,
    pub quoted_text: &'static str,
    pub no_text: &'static str,
    pub attachments: &'static str,
    pub unnamed_part: &'static str,
    pub download: &'static str,
    pub too_large: &'static str,
    pub unreadable: &'static str,
    pub delivery: &'static str,

    pub conversation: &'static str,
    pub conversation_count: &'static str,
    pub conversation_older: &'static str,
    pub conversation_newer: &'static str,
    pub has_conversations: &'static str,
    pub has_conversations_help: &'static str,

    // Writing
    pub formatting: &'static str,
    pub format_on: &'static str,
    pub format_off: &'static str,
    pub format_lost: &'static str,
    pub bold: &'static str,
    pub italic: &'static str,
    pub bullets: &'static str,
    pub quotation: &'static str,
    pub link: &'static str,
    pub link_address: &'static str,
    pub link_set: &'static str,
    pub enclosed: &'static str,
    pub show_part: &'static str,
    pub new_message: &'static str,
    pub to_help: &'static str,
    pub subject: &'static str,
    pub message: &'static str,
    pub send: &'static str,
    pub discard: &'static str,
    pub sent_notice: &'static str,
    pub errors_title: &'static str,
    pub error_no_recipient: &'static str,
    pub error_address: &'static str,
    pub error_rejected: &'static str,
    pub error_too_many: &'static str,
    pub error_full: &'static str,
    pub wrote: &'static str,
    pub lines_more: &'static str,
    pub one_line_more: &'static str,
    pub error_too_long: &'static str,
    pub error_cut: &'static str,
    pub error_stale: &'static str,
    pub error_elsewhere: &'static str,
    pub logged_out_title: &'static str,
    pub logged_out_lead: &'static str,
    pub logged_out_log_in: &'static str,
    pub error_sender: &'static str,
    pub not_saved: &'static str,

    // Errors
    pub not_found_title: &'static str,
    pub not_found: &'static str,
    pub bad_request_title: &'static str,
    pub bad_request: &'static str,
    pub gone_title: &'static str,
    pub gone: &'static str,
    pub expired_title: &'static str,
    pub expired: &'static str,
    pub too_large_title: &'static str,
    pub too_large_form: &'static str,
    pub busy_title: &'static str,
    pub busy: &'static str,
    pub broken_title: &'static str,
    pub broken: &'static str,
    pub to_inbox: &'static str,

    // Folders and what is done in them
    pub archive: &'static str,
    pub deleted: &'static str,
    pub folders: &'static str,
    pub archive_empty_title: &'static str,
    pub archive_empty: &'static str,
    pub deleted_empty_title: &'static str,
    pub deleted_empty: &'static str,
    pub unread_count: &'static str,
    pub select_message: &'static str,
    pub select_all: &'static str,
    pub with_selected: &'static str,
    pub do_read: &'static str,
    pub do_unread: &'static str,
    pub do_flag: &'static str,
    pub do_unflag: &'static str,
    pub do_archive: &'static str,
    pub do_delete: &'static str,
    pub do_restore: &'static str,
    pub do_erase: &'static str,
    pub flagged: &'static str,
    pub nothing_selected: &'static str,
    pub did_read_one: &'static str,
    pub did_read: &'static str,
    pub did_unread_one: &'static str,
    pub did_unread: &'static str,
    pub did_flag_one: &'static str,
    pub did_flag: &'static str,
    pub did_unflag_one: &'static str,
    pub did_unflag: &'static str,
    pub did_archive_one: &'static str,
    pub did_archive: &'static str,
    pub did_delete_one: &'static str,
    pub did_delete: &'static str,
    pub did_restore_one: &'static str,
    pub did_restore: &'static str,
    pub did_erase_one: &'static str,
    pub did_erase: &'static str,

    // Search
    pub search: &'static str,
    pub search_title: &'static str,
    pub search_lead: &'static str,
    pub search_words: [(&'static str, &'static str); 7],
    pub search_nothing_title: &'static str,
    pub search_nothing: &'static str,
    pub search_cut: &'static str,
    pub search_on: &'static str,
    pub error_date: &'static str,

    // Letters before they are sent, and what a user sets
    pub drafts: &'static str,
    pub settings: &'static str,
    pub drafts_empty_title: &'static str,
    pub drafts_empty: &'static str,
    pub no_recipient: &'static str,
    pub came_back_mark: &'static str,
    pub leaving_mark: &'static str,
    pub forward: &'static str,
    pub forwarded: &'static str,
    pub sent_on: &'static str,
    pub bcc: &'static str,
    pub show_bcc: &'static str,
    pub bcc_help: &'static str,
    pub find_people: &'static str,
    pub find_label: &'static str,
    pub find: &'static str,
    pub found_help: &'static str,
    pub found_nobody: &'static str,
    pub files: &'static str,
    pub files_help: &'static str,
    pub files_keep: &'static str,
    pub choose_files: &'static str,
    pub attach: &'static str,
    pub uploading: &'static str,
    /// Behind it come the names of the files.
    pub uploaded: &'static str,
    pub upload_failed: &'static str,
    pub save_draft: &'static str,
    pub draft_saved: &'static str,
    pub saved_at: &'static str,
    pub discarded: &'static str,
    pub leaves_in: &'static str,
    pub undo: &'static str,
    pub undone: &'static str,
    pub too_late: &'static str,
    pub came_back: &'static str,
    pub settings_saved: &'static str,
    pub signature: &'static str,
    pub signature_help: &'static str,
    pub save: &'static str,
    pub error_signature: &'static str,
    pub error_file_too_large: &'static str,
    pub error_too_many_files: &'static str,
    pub error_too_many_drafts: &'static str,
    pub error_enough: &'static str,
    pub error_uploads: &'static str,

    // What keeps an account safe, and the keys
    pub settings_parts: &'static str,
    pub general: &'static str,
    pub security: &'static str,
    pub keys: &'static str,
    pub has_keys: &'static str,
    pub has_keys_help: &'static str,
    pub keys_lead: &'static str,
    pub keys_off: &'static str,
    pub keys_everywhere: &'static str,
    pub keys_of_pages: [(&'static str, &'static str); 9],
    pub keys_in_lists: &'static str,
    pub keys_of_lists: [(&'static str, &'static str); 8],
    pub keys_in_messages: &'static str,
    pub keys_of_messages: [(&'static str, &'static str); 8],
    pub change_password: &'static str,
    pub old_password: &'static str,
    pub old_password_wrong: &'static str,
    pub password_wrong: &'static str,
    pub password_away: &'static str,
    pub change_password_help: &'static str,
    pub password_changed: &'static str,
    pub sessions: &'static str,
    pub sessions_help: &'static str,
    pub session_place: &'static str,
    pub this_session: &'static str,
    pub unknown_device: &'static str,
    pub unknown_place: &'static str,
    pub end_session: &'static str,
    pub end_others: &'static str,
    pub session_ended: &'static str,
    pub sessions_ended: &'static str,

    // The second step, and invitations
    pub weekdays: [&'static str; 7],
    pub weekday_day: &'static str,
    pub second_step: &'static str,
    pub second_about: &'static str,
    pub second_set_up: &'static str,
    pub second_setup_title: &'static str,
    pub second_scan: &'static str,
    pub second_picture: &'static str,
    pub second_type: &'static str,
    pub second_open: &'static str,
    pub second_code: &'static str,
    pub second_on: &'static str,
    pub second_off: &'static str,
    pub second_since: &'static str,
    pub second_is_on: &'static str,
    pub second_is_off: &'static str,
    pub second_title: &'static str,
    pub second_lead: &'static str,
    pub second_help: &'static str,
    pub code: &'static str,
    pub code_wrong: &'static str,
    pub cancel: &'static str,
    pub passkeys: &'static str,
    pub passkeys_about: &'static str,
    pub passkey_add: &'static str,
    pub passkey_name: &'static str,
    pub passkey_name_help: &'static str,
    pub passkey_go: &'static str,
    pub passkey_missing: &'static str,
    pub passkey_not_made: &'static str,
    pub passkey_on_device: &'static str,
    pub passkey_elsewhere: &'static str,
    pub provider_log_in: &'static str,
    pub provider_away: &'static str,
    pub provider_refused: &'static str,
    pub provider_stale: &'static str,
    pub passkey_log_in: &'static str,
    pub passkey_not_used: &'static str,
    pub passkey_refused: &'static str,
    pub passkey_late: &'static str,
    pub passkey_copied: &'static str,
    pub passkey_doubt: &'static str,
    pub passkeys_full: &'static str,
    pub passkey_since: &'static str,
    pub passkey_used: &'static str,
    pub passkey_unused: &'static str,
    pub passkey_unnamed: &'static str,
    pub passkey_is_added: &'static str,
    pub passkey_is_removed: &'static str,
    pub passkey_remove: &'static str,
    pub codes_title: &'static str,
    pub codes_lead: &'static str,
    pub codes_kept: &'static str,
    pub codes_new: &'static str,
    pub codes_left: &'static str,
    pub recovered: &'static str,
    pub event_request: &'static str,
    pub event_cancel: &'static str,
    pub event_reply: &'static str,
    pub event_publish: &'static str,
    pub event_when: &'static str,
    pub event_where: &'static str,
    pub event_organizer: &'static str,
    pub event_guests: &'static str,
    pub event_unknown_time: &'static str,
    pub event_repeats: &'static str,
    pub event_local: &'static str,
    pub event_accepted: &'static str,
    pub event_tentative: &'static str,
    pub event_declined: &'static str,
    pub event_accept: &'static str,
    pub event_perhaps: &'static str,
    pub event_decline: &'static str,
    pub event_answered: &'static str,
    pub event_answer_subject: &'static str,

    // What is doubtful, and paper
    pub doubts_title: &'static str,
    pub doubt_name: &'static str,
    pub doubt_likeness: &'static str,
    pub doubt_outside: &'static str,
    pub doubt_dmarc: &'static str,
    pub print: &'static str,
}

/// The language for a reader's `Accept-Language` field: the first of his that is there.
pub(crate) fn for_reader(accept_language: &str) -> &'static Texts {
    accept_language
        .split(',')
        .filter_map(|item| item.split([';', '-']).next())
        .find_map(|wanted| {
            ALL.into_iter()
                .find(|texts| texts.lang.eq_ignore_ascii_case(wanted.trim()))
        })
        .unwrap_or(&ENGLISH)
}

/// The texts of a language that is known by its tag.
pub(crate) fn of_language(tag: Option<&str>) -> Option<&'static Texts> {
    ALL.into_iter().find(|texts| Some(texts.lang) == tag)
}

/// Puts values into the braces of a text. What has no value stays.
pub(crate) fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(text.len() + 32);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((name, behind)) = after.split_once('}') else {
            filled.push('{');
            rest = after;
            continue;
        };
        match values.iter().find(|(key, _)| *key == name) {
            Some((_, value)) => filled.push_str(value),
            None => filled.push_str(name),
        }
        rest = behind;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests;
