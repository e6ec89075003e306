//! The laboratory: platforms, clients, wires and Tideover itself.

mod clamd;
mod client;
mod corpus;
mod dovecot;
mod haproxy;
mod lab;
mod load;
mod maildir;
mod names;
mod packages;
mod platform;
mod postfix;
mod process;
mod rspamd;
mod tideover;
mod tools;
mod wait;
mod webmail;
mod wire;

pub(crate) use clamd::{Clamd, eicar};
pub(crate) use client::Client;
pub(crate) use corpus::{Sample, corpus};
pub(crate) use dovecot::NOBODY;
pub(crate) use haproxy::{Haproxy, SOURCE as HAPROXY};
pub(crate) use lab::{Lab, free_port};
pub(crate) use load::Load;
pub(crate) use names::Names;
pub(crate) use packages::program;
pub(crate) use platform::Locked;
pub(crate) use rspamd::{Rspamd, gtube};
pub(crate) use tideover::{Settings, Tideover};
pub(crate) use tools::{Starttls, smtplib, swaks};
pub(crate) use wait::{LONG, SHORT, eventually};
pub(crate) use webmail::Webmail;
pub(crate) use wire::{Trap, Wire};
