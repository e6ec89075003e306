//! For whom the webmail is open, held against what somebody asks for: one place for all pages.

use axum::http::Method;

use super::Webmail;
use super::accounts::blocking;
use super::error::WebError;
use super::guard::User;
use super::standing::Banner;
use super::texts::Texts;
use crate::activation::{Mode, Ruling, Setting};
use crate::mail::BackendId;

/// May somebody in this mode ask for this? His own login he can look after at any time: whoever
/// prepares himself beforehand can log in on the day.
pub(crate) fn check(mode: Mode, method: &Method, path: &str) -> Result<(), WebError> {
    let is_own = path == "/logout" || path == "/security" || path.starts_with("/security/");
    let is_reading = matches!(*method, Method::GET | Method::HEAD) && !is_writing(path);
    match mode {
        Mode::Full => Ok(()),
        _ if is_own => Ok(()),
        Mode::ReadOnly if is_reading => Ok(()),
        Mode::ReadOnly => Err(WebError::ReadOnly),
        Mode::Off => Err(WebError::NotOpen),
    }
}

/// Pages on which one can only write.
fn is_writing(path: &str) -> bool {
    let answers = ["/reply", "/reply-all", "/forward"];
    let is_answer = path.starts_with("/message/") && answers.iter().any(|it| path.ends_with(it));
    path.starts_with("/compose") || is_answer
}

impl Webmail {
    /// What holds for the user of a mailbox.
    pub(crate) async fn ruling(
        &self,
        mailbox: &str,
        home: Option<&BackendId>,
    ) -> Result<Ruling, WebError> {
        let activation = self.0.world.activation.clone();
        let moment = blocking(move || activation.moment()).await??;
        Ok(moment.ruling(mailbox, home))
    }

    /// Is it open for nobody?
    pub(crate) async fn is_shut(&self) -> Result<bool, WebError> {
        let activation = self.0.world.activation.clone();
        Ok(blocking(move || activation.moment()).await??.is_shut())
    }
}

impl User {
    /// May he change something?
    pub(crate) fn may_write(&self) -> bool {
        self.ruling.mode == Mode::Full
    }

    /// May he see his mail?
    pub(crate) fn may_read(&self) -> bool {
        self.ruling.mode != Mode::Off
    }

    /// What every page of his says about that.
    pub(crate) fn opening(&self, texts: &Texts) -> Option<Banner> {
        let (title, help) = match (self.ruling.mode, self.ruling.setting) {
            (Mode::Off, _) => (texts.not_open_title, texts.not_open_short),
            (Mode::ReadOnly, _) => (texts.read_only_title, texts.read_only),
            (Mode::Full, Setting::Test) => (texts.test_title, texts.test),
            (Mode::Full, _) => return None,
        };
        Some(Banner {
            title: title.to_owned(),
            help: help.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_has_its_pages() {
        let allowed = |mode, method: &Method, path| check(mode, method, path).is_ok();
        for (method, path, read_only, off) in [
            (Method::GET, "/", true, false),
            (Method::GET, "/message/X", true, false),
            (Method::GET, "/message/X/part/1", true, false),
            (Method::GET, "/search", true, false),
            (Method::GET, "/settings", true, false),
            (Method::POST, "/settings", false, false),
            (Method::GET, "/compose", false, false),
            (Method::POST, "/compose", false, false),
            (Method::POST, "/compose/discard", false, false),
            (Method::GET, "/message/X/reply", false, false),
            (Method::GET, "/message/X/reply-all", false, false),
            (Method::GET, "/message/X/forward", false, false),
            (Method::POST, "/message/X/answer", false, false),
            (Method::POST, "/actions", false, false),
            (Method::POST, "/undo", false, false),
            (Method::GET, "/securityx", true, false),
            (Method::GET, "/security", true, true),
            (Method::POST, "/security/password", true, true),
            (Method::POST, "/logout", true, true),
        ] {
            assert!(allowed(Mode::Full, &method, path), "{path}");
            assert_eq!(allowed(Mode::ReadOnly, &method, path), read_only, "{path}");
            assert_eq!(allowed(Mode::Off, &method, path), off, "{path}");
        }
        assert_eq!(check(Mode::Off, &Method::GET, "/"), Err(WebError::NotOpen));
        let sends = check(Mode::ReadOnly, &Method::POST, "/compose");
        assert_eq!(sends, Err(WebError::ReadOnly));
    }
}
