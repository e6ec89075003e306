//! Under which keys the mail of a mailbox stands.

use std::collections::BTreeSet;

use super::{Directory, FoundBy, Lookup};
use crate::smtp::Mailbox;

impl Directory {
    /// Every key under which mail for `address` may stand: its own, and those of all addresses of
    /// the entry to which it leads. Mail is listed under the address that its mailbox had then,
    /// and who gets a new one usually keeps that as an alias.
    ///
    /// The directory gives each address to one entry, so what is somebody else's own is not among
    /// them, whoever claims it.
    #[must_use]
    pub fn keys_of(&self, address: &Mailbox) -> BTreeSet<String> {
        let mut keys = BTreeSet::from([address.key()]);
        if let Lookup::Known { entry, .. } = self.lookup(address) {
            keys.extend(entry.addresses().map(Mailbox::key));
        }
        keys
    }

    /// The key of `address` without its tag (RFC 5233). `None`: it has none; whom the directory
    /// names by exactly this address has none, whatever it looks like.
    #[must_use]
    pub fn untagged_key(&self, address: &Mailbox) -> Option<String> {
        let key = address.key();
        let (local, domain) = key.rsplit_once('@')?;
        let (user, _) = local.split_once(self.tag_separator()?)?;
        let found = self.find(address);
        let is_exact = found.is_some_and(|(_, by)| by != FoundBy::Tag);
        (!user.is_empty() && !is_exact).then(|| format!("{user}@{domain}"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::directory::{Directory, Record};
    use crate::smtp::Mailbox;

    fn address(name: &str) -> Mailbox {
        format!("{name}@example.org").parse().unwrap()
    }

    fn directory(people: &[(&str, &[&str])]) -> Directory {
        let mut builder = Directory::builder(Vec::new());
        for (own, aliases) in people {
            builder.add(Record {
                aliases: aliases.iter().map(|name| address(name)).collect(),
                ..Record::new(address(own))
            });
        }
        builder.finish()
    }

    fn keys(directory: &Directory, name: &str) -> BTreeSet<String> {
        let keys = directory.keys_of(&address(name)).into_iter();
        keys.map(|key| key.replace("@example.org", "")).collect()
    }

    #[test]
    fn every_address_of_a_mailbox_names_all_of_them() {
        let directory = directory(&[("ann.lee", &["ann", "a.l"]), ("bob", &[])]);
        let all = ["a.l", "ann", "ann.lee"].map(str::to_owned).into();
        for name in ["ann", "ann.lee", "A.L"] {
            assert_eq!(keys(&directory, name), all, "{name}");
        }
        let tagged = keys(&directory, "ann+news");
        assert!(tagged.is_superset(&all) && tagged.contains("ann+news"));
        // Who is gone has the key under which he was known.
        assert_eq!(keys(&directory, "eve"), ["eve".to_owned()].into());
    }

    #[test]
    fn what_is_a_tag_depends_on_who_is_there() {
        let directory = directory(&[("ann", &["c+d"])]);
        for (name, untagged) in [
            ("ann", None),
            ("Ann+News", Some("ann@example.org")),
            ("ann+a+b", Some("ann@example.org")),
            ("c+d", None),
            // Of whom the directory does not name it is not known.
            ("eve+x", Some("eve@example.org")),
            ("+x", None),
        ] {
            let found = directory.untagged_key(&address(name));
            assert_eq!(found.as_deref(), untagged, "{name}");
        }
    }

    #[test]
    fn what_is_somebody_elses_own_is_nobodys_alias() {
        let directory = directory(&[("bob", &[]), ("ann", &["bob", "a.l"])]);
        let (ann, bob) = (keys(&directory, "ann"), keys(&directory, "bob"));
        assert_eq!(bob, ["bob".to_owned()].into());
        assert_eq!(ann, ["a.l", "ann"].map(str::to_owned).into());
    }
}
