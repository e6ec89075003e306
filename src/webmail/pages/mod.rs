//! The pages, one file for each group of them.

pub(crate) mod actions;
pub(crate) mod answer;
pub(crate) mod code;
pub(crate) mod compose;
pub(crate) mod drafts;
mod enclosed;
mod form;
pub(crate) mod help;
pub(crate) mod invite;
pub(crate) mod list;
mod logged_out;
pub(crate) mod login;
pub(crate) mod message;
mod paced;
pub(crate) mod parts;
pub(crate) mod passkey_login;
pub(crate) mod passkeys;
pub(crate) mod people;
pub(crate) mod print;
pub(crate) mod provider;
pub(crate) mod search;
pub(crate) mod second;
pub(crate) mod security;
pub(crate) mod send;
pub(crate) mod settings;
