//! Who gives an order: it stands in the ledger with its reason.

/// Where the system keeps the names of its users.
const USERS: &str = "/etc/passwd";

/// Who sits at the terminal, also behind sudo; without one (cron, a container) whose process it is.
pub(super) fn terminal_user() -> String {
    let names = ["SUDO_USER", "USER", "LOGNAME"];
    let mut known = names.into_iter().filter_map(std::env::var_os);
    let user = known.find_map(|name| name.into_string().ok().filter(|name| !name.is_empty()));
    user.unwrap_or_else(|| user_with(rustix::process::getuid().as_raw()))
}

/// The name of a user id on this machine.
pub(super) fn user_with(uid: u32) -> String {
    let users = std::fs::read_to_string(USERS).unwrap_or_default();
    user_of(uid, &users)
}

/// The name of a user id, by the lines `name:password:uid:…`.
fn user_of(uid: u32, users: &str) -> String {
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("uid {uid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_has_a_name_also_without_a_terminal() {
        let users = "root:x:0:0:root:/root:/bin/sh\n\nmail:x:8:8::/var/mail:\nodd:line\n:x:9:9\n";
        for (uid, expected) in [
            (0, "root"),
            (8, "mail"),
            (9, "uid 9"),
            (10_001, "uid 10001"),
        ] {
            assert_eq!(user_of(uid, users), expected);
        }
        assert_eq!(user_of(5, ""), "uid 5");
        assert!(!terminal_user().is_empty());
    }
}
