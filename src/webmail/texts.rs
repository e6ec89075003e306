//! Every word that a user of the webmail reads, one constant for each language. Parts in braces
//! are filled in by [`fill`].

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
    pub banner_help: &'static str,

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
    pub state_bounced: &'static str,
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

    // Writing
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

    // Errors
    pub not_found_title: &'static str,
    pub not_found: &'static str,
    pub expired_title: &'static str,
    pub expired: &'static str,
    pub too_large_title: &'static str,
    pub too_large_form: &'static str,
    pub busy_title: &'static str,
    pub busy: &'static str,
    pub broken_title: &'static str,
    pub broken: &'static str,
    pub to_inbox: &'static str,
}

/// English.
pub(crate) const ENGLISH: Texts = Texts {
    lang: "en",
    months: [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ],
    day: "{day} {month}",
    day_year: "{day} {month} {year}",
    day_time: "{day}, {time}",

    skip: "Skip to content",
    main_navigation: "Mail",
    inbox: "Inbox",
    sent: "Sent",
    write: "New message",
    log_out: "Log out",

    banner_down: "{platform} has not been reachable since {time}.",
    banner_rejecting: "{platform} has not been taking mail since {time}.",
    banner_held: "Mail for {platform} is kept here on purpose since {time}.",
    banner_help: "You can go on reading and answering here. Nothing is lost: your mail waits, and \
                  arrives in your mailbox when {platform} is back.",

    login_title: "Log in",
    login_lead: "Read and answer your mail, also while your mailbox cannot be reached.",
    address: "Email address",
    password: "Password",
    log_in: "Log in",
    login_wrong: "Address and password do not fit together. Check both and try again.",
    login_wait: "Too many tries. Please wait {wait} and try again.",
    minutes: "{count} min",
    login_help: "No password for this page yet, or forgotten? Ask your help desk for an \
                 invitation.",
    logged_out: "You are logged out.",
    invite_title: "Choose a password",
    invite_lead: "This password opens your mail here, also when everything else is down. It is \
                  separate from your usual one.",
    new_password: "New password",
    repeat_password: "The same password again",
    password_rule: "At least 10 characters. A few words in a row are easy to remember.",
    set_password: "Set password and log in",
    passwords_differ: "The two passwords are not the same. Please type both again.",
    password_refused: "This password cannot be used: it needs 10 to 256 characters and must not be \
                       your address.",
    password_set: "Your password is set. Welcome!",
    invite_gone_title: "This invitation is not valid any more",
    invite_gone: "An invitation works once and for a limited time. Ask your help desk for a new \
                 one, \
                  or log in if you have set a password already.",

    inbox_empty_title: "No mail yet",
    inbox_empty: "Mail that comes in for you from now on appears here at once, whether or not your \
                  mailbox can be reached.",
    sent_empty_title: "Nothing sent yet",
    sent_empty: "Messages that you write here are listed here.",
    has_attachments: "Has attachments",
    unread: "Unread",
    no_subject: "(no subject)",
    no_sender: "(no sender)",
    older: "Older messages",
    newest: "Back to the newest",
    pages: "Pages",
    to_prefix: "To {people}",
    and_more: "{people} and {count} more",
    check_again: "Look for new mail",

    state_delivered: "Delivered to {platform}",
    state_waits: "Waits for {platform} since {time}",
    state_on_its_way: "On its way to {platform}",
    state_retry: "Next try for {platform} at {time}",
    state_held: "Held for your administrator since {time}",
    state_bounced: "Could not be delivered",
    state_dropped: "Removed by an administrator",
    state_left: "Delivered",
    state_some_left: "Delivered to {done} of {all}",
    state_some_failed: "Failed for {failed} of {all}",
    detail_delivered: "{platform} took it on {time}.",
    detail_since: "It came in on {time} and is kept safely here.",
    detail_refused: "The answer was: {reason}",

    from: "From",
    to: "To",
    cc: "Cc",
    date: "Received",
    reply: "Reply",
    reply_all: "Reply to all",
    back: "Back to the list",
    source: "Source",
    actions: "What to do with the message",
    show_plain: "Show as plain text",
    show_rich: "Show with formatting",
    frame_title: "Text of the message",
    open_frame: "Open the text in a page of its own",
    images_blocked_one: "One picture from the Internet was not loaded. Loading it can tell the \
                         sender that you read this message.",
    images_blocked: "{count} pictures from the Internet were not loaded. Loading them can tell the \
                     sender that you read this message.",
    load_images: "Load pictures",
    quoted_text: "Quoted text",
    no_text: "This message has no text.",
    attachments: "Attachments",
    unnamed_part: "Part {number}",
    download: "Download",
    too_large: "This message is too large to be shown here. You can download its source.",
    unreadable: "This message cannot be shown: it does not follow the rules for mail. You can \
                 look at \
                 its source.",
    delivery: "Delivery",

    new_message: "New message",
    to_help: "Several addresses are separated by commas.",
    subject: "Subject",
    message: "Message",
    send: "Send",
    discard: "Discard",
    sent_notice: "Your message is on its way.",
    errors_title: "The message has not been sent yet",
    error_no_recipient: "Say to whom it goes: the field “To” is empty.",
    error_address: "“{address}” is not an email address. Expected something like \
                    name@example.org.",
    error_rejected: "{address} cannot get mail: {reason}",
    error_too_many: "A message from here can go to {most} addresses at most; this one has {count}.",
    error_full: "The server cannot store more mail just now. Your text is kept in this page; try \
                 again in some minutes.",
    wrote: "On {time}, {person} wrote:",

    not_found_title: "There is nothing here",
    not_found: "The page or message does not exist, or it is not one of yours.",
    expired_title: "This page was open for too long",
    expired: "For your safety the form is not valid any more. Go back, load the page again and \
                 repeat \
              what you did; copy your text first.",
    too_large_title: "That was too much",
    too_large_form: "The text is larger than what can be sent from here. Go back and make it \
                 shorter.",
    busy_title: "Just a moment",
    busy: "The server has a lot to do. Please try again in some seconds.",
    broken_title: "Something went wrong",
    broken: "It is our fault, and it has been written down for the administrator. Your mail is \
                 safe. \
             Please try again.",
    to_inbox: "To the inbox",
};

/// The language for a reader's `Accept-Language` field: the first of his that is there.
pub(crate) fn for_reader(accept_language: &str) -> &'static Texts {
    const LANGUAGES: [&Texts; 1] = [&ENGLISH];
    accept_language
        .split(',')
        .filter_map(|item| item.split([';', '-']).next())
        .find_map(|wanted| {
            LANGUAGES
                .into_iter()
                .find(|texts| texts.lang.eq_ignore_ascii_case(wanted.trim()))
        })
        .unwrap_or(&ENGLISH)
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
mod tests {
    use super::*;

    #[test]
    fn values_are_filled_in_once() {
        let text = fill("{a} and {b}{c", &[("a", "{b}"), ("b", "2")]);
        assert_eq!(text, "{b} and 2{c");
    }

    #[test]
    fn the_reader_gets_a_language_that_is_there() {
        assert_eq!(for_reader("xx, en-GB;q=0.8").lang, "en");
        assert_eq!(for_reader("").lang, "en");
    }
}
