//! Tideover between real mail platforms.
//!
//! Two Postfix + Dovecot pairs from Debian packages are the platforms `onprem` and `cloud`; swaks,
//! Python's smtplib and a raw client are the Internet; Tideover is the built program as a child
//! process. Each test owns a laboratory: a loopback address, ports and a folder of its own. All
//! processes are ended by their process group when the laboratory goes, also after a panic.
//!
//! Postfix and Dovecot need root, and the packages named in `harness/packages.rs`; without them
//! every test here fails and says what to install (`tests/run` installs them when it is root).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test fails by panicking"
)]

mod harness;

mod a_platform_that_rejects_everybody_is_tried_gently;
mod a_recovered_platform_is_not_overrun;
mod a_store_rolled_back_is_filled_again;
mod a_wave_waits_for_green_drills;
mod an_outage_ends_whole;
mod an_outage_is_told_outside;
mod automatic_answers_follow_the_policy;
mod backend_entry_is_proven;
mod backend_killed_in_data_loses_nothing;
mod backend_paused_or_slow_gets_its_mail;
mod backend_stopped_under_load_gets_its_mail_later;
mod bytes_arrive_unchanged;
mod filters_keep_up_with_load;
mod filters_look_at_mail;
mod full_disk_is_refused_until_there_is_room;
mod haproxy_says_who_the_client_is;
mod held_mail_is_released;
mod killed_under_load_loses_nothing_acknowledged;
mod landings_are_proven;
mod lmtp_answers_for_each_recipient;
mod loops_are_found_at_the_second_visit;
mod mail_reaches_its_home;
mod one_message_for_both_platforms_is_stored_once;
mod platforms_work_without_tideover;
mod postfix_hands_in_by_lmtp;
mod programs_submit_mail;
mod starttls_on_both_sides;
mod strangers_and_oversized_are_refused;
mod strangers_are_checked_and_sealed;
mod users_migrate_in_waves;
mod what_is_missing_comes_back;
mod who_left_is_shut_out;
mod who_moves_takes_his_work_along;
mod work_in_the_webmail_comes_home;
