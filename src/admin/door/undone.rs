//! A form that comes when its session is over: it is not done, and who sent it hears so, at his
//! login and behind it, and is led back to the page that had the form.

use axum::http::{Method, Uri};

use crate::base::percent_encoded;

/// The page that says it.
const PAGE: &str = "/undone";
/// What is said at the login.
const TOLD: &str = "You were logged out when your form arrived: it was NOT done. Log in, and you \
                    come back to its page.";

/// Where a login leads that was asked for by this request.
pub(super) fn login_of(method: &Method, uri: &Uri) -> String {
    let next = if method.is_safe() {
        uri.path_and_query()
            .map_or_else(|| "/".to_owned(), ToString::to_string)
    } else {
        format!("{PAGE}?page={}", percent_encoded(&page_of(uri.path())))
    };
    match next.as_str() {
        "/" => "/login".to_owned(),
        next => format!("/login?next={}", percent_encoded(next)),
    }
}

/// What a login says that leads there.
pub(super) fn told(next: &str) -> &'static str {
    if next.starts_with(PAGE) { TOLD } else { "" }
}

/// The page from which forms are sent to this path.
fn page_of(path: &str) -> String {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match parts.as_slice() {
        ["cases", id, _] => format!("/cases/{id}"),
        ["backends", name, _] => format!("/backends/{name}"),
        ["holds" | "moves", ..] => "/holds".to_owned(),
        ["replays", ..] => "/waves".to_owned(),
        [
            room @ ("queue" | "users" | "mailboxes" | "me" | "config" | "directory" | "drills"
            | "password" | "second"),
            ..,
        ] => {
            format!("/{room}")
        }
        _ => "/".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_leads_back_to_its_page_and_a_page_to_itself() {
        for (path, page) in [
            ("/queue/act", "/queue"),
            ("/cases/c1/release", "/cases/c1"),
            ("/backends/on%2Fprem/hold", "/backends/on%2Fprem"),
            ("/moves/step", "/holds"),
            ("/directory/settle", "/directory"),
            ("/holds/end", "/holds"),
            ("/replays/r7/pause", "/waves"),
            ("/mailboxes/runs/w1/stop", "/mailboxes"),
            ("/me/tokens/end", "/me"),
            ("/users/reset", "/users"),
            ("//evil.example/x", "/"),
            ("/unheard/of", "/"),
        ] {
            assert_eq!(page_of(path), page, "{path}");
        }
        let of = |method: Method, uri: &'static str| login_of(&method, &Uri::from_static(uri));
        assert_eq!(of(Method::GET, "/"), "/login");
        let read = of(Method::GET, "/queue?state=held");
        assert_eq!(read, "/login?next=/queue%3Fstate%3Dheld");
        let sent = of(Method::POST, "/holds/end");
        assert_eq!(sent, "/login?next=/undone%3Fpage%3D/holds");
        assert_eq!(told("/undone?page=/holds"), TOLD);
        assert_eq!(told("/holds"), "");
    }
}
