//! What a synchronisation brings in, until it is whole.

use std::collections::HashMap;
use std::sync::Arc;

use super::ldap_record::recipient;
use super::{Record, Rules};
use crate::ldap::{Object, Sink};
use crate::limits;
use crate::mail::BackendId;
use crate::smtp::Mailbox;

/// What a source says, until all of it is there.
#[derive(Debug, Default)]
pub(super) struct Harvest {
    /// By which rules it becomes a directory.
    rules: Arc<Rules>,
    /// The home of what each search finds.
    homes: Vec<Option<BackendId>>,
    records: Vec<(String, Record)>,
    /// The address of every object, by its name.
    names: HashMap<String, Option<Mailbox>>,
    /// Groups, with the names of their members.
    groups: Vec<(usize, Vec<String>)>,
    left_out: Vec<String>,
    more_left_out: u64,
    mended: Vec<String>,
}

/// What a source says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Harvested {
    /// How many people there were.
    pub(super) people: u64,
    /// Records with what they are known by within the source.
    pub(super) records: Vec<(String, Record)>,
    /// What could not be used, for people: the first of it.
    pub(super) left_out: Vec<String>,
    /// How much more.
    pub(super) more_left_out: u64,
    /// The first of what was taken though it is no address as it stands, for people.
    pub(super) mended: Vec<String>,
}

impl Harvest {
    /// For searches of which each has its home.
    pub(super) fn new(homes: Vec<Option<BackendId>>, rules: Arc<Rules>) -> Self {
        Self {
            rules,
            homes,
            ..Self::default()
        }
    }

    fn leave_out(&mut self, what: String) {
        if self.left_out.len() < limits::IMPORT_ERRORS {
            self.left_out.push(what);
        } else {
            self.more_left_out += 1;
        }
    }

    /// All of it: members by their addresses.
    pub(super) fn finish(mut self) -> Harvested {
        for (place, names) in std::mem::take(&mut self.groups) {
            let mut members = Vec::new();
            for name in names {
                match self.names.get(&name_key(&name)) {
                    Some(Some(address)) => members.push(address.clone()),
                    Some(None) | None => {
                        self.leave_out(format!("member {name}: it has no address"));
                    }
                }
            }
            members.sort_by_key(Mailbox::key);
            members.dedup_by_key(|member| member.key());
            if let Some((_, record)) = self.records.get_mut(place) {
                record.members = members;
            }
        }
        Harvested {
            people: self.records.len() as u64,
            records: self.records,
            left_out: self.left_out,
            more_left_out: self.more_left_out,
            mended: self.mended,
        }
    }
}

impl Sink for Harvest {
    fn found(&mut self, object: Object) {
        let key = name_key(&object.dn);
        // The first search that finds an object counts.
        if self.names.contains_key(&key) {
            return;
        }
        let home = self.homes.get(object.search).and_then(Option::as_ref);
        let found = match recipient(&object, home, &self.rules) {
            Ok(found) => found,
            Err(why) => {
                self.leave_out(format!("{}: {why}", object.dn));
                None
            }
        };
        let address = found.as_ref().map(|found| found.record.address.clone());
        self.names.insert(key, address);
        let Some(found) = found else { return };
        for what in found.left_out {
            self.leave_out(format!("{}: {what}", object.dn));
        }
        let room = limits::IMPORT_ERRORS.saturating_sub(self.mended.len());
        let mended = found.mended.into_iter().take(room);
        self.mended
            .extend(mended.map(|what| format!("{}: {what}", object.dn)));
        if !found.members.is_empty() {
            self.groups.push((self.records.len(), found.members));
        }
        self.records.push((found.id, found.record));
    }

    fn needed(&self) -> Vec<String> {
        let members = self.groups.iter().flat_map(|(_, members)| members);
        let unknown = members.filter(|name| !self.names.contains_key(&name_key(name)));
        let mut unknown: Vec<String> = unknown.cloned().collect();
        unknown.sort();
        unknown.dedup();
        unknown.truncate(limits::LDAP_MEMBERS);
        unknown
    }

    fn needed_found(&mut self, dn: &str, object: Option<Object>) {
        let found = object.and_then(|object| recipient(&object, None, &self.rules).ok().flatten());
        let address = found.map(|found| found.record.address);
        self.names.insert(name_key(dn), address);
    }
}

/// The form under which a distinguished name is compared.
fn name_key(dn: &str) -> String {
    dn.to_lowercase().replace(", ", ",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(search: usize, dn: &str, mail: &str, members: &[&str]) -> Object {
        let mut object = Object {
            search,
            dn: dn.to_owned(),
            ..Object::default()
        };
        let values = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        object.attributes.insert("mail".to_owned(), values(&[mail]));
        object
            .attributes
            .insert("member".to_owned(), values(members));
        object
    }

    #[test]
    fn the_first_search_gives_the_home_and_members_are_found_by_their_names() {
        let (east, west) = (BackendId::new("east"), BackendId::new("west"));
        let mut harvest = Harvest::new(vec![Some(east.clone()), Some(west)], Arc::default());
        harvest.found(object(0, "CN=Ann,DC=x", "ann@x.example", &[]));
        harvest.found(object(1, "cn=ann,dc=x", "ann@x.example", &[]));
        let members = ["CN=Ann, DC=x", "CN=Outside,DC=y", "CN=Gone,DC=y"];
        harvest.found(object(1, "CN=All,DC=x", "all@x.example", &members));
        assert_eq!(harvest.needed(), ["CN=Gone,DC=y", "CN=Outside,DC=y"]);
        harvest.needed_found("CN=Gone,DC=y", None);
        let outside = object(usize::MAX, "CN=Outside,DC=y", "out@y.example", &[]);
        harvest.needed_found("CN=Outside,DC=y", Some(outside));
        let harvested = harvest.finish();
        assert_eq!(harvested.records.len(), 2);
        assert_eq!(harvested.records[0].1.home, Some(east));
        let members: Vec<_> = harvested.records[1].1.members.iter().collect();
        assert_eq!(members.len(), 2);
        assert_eq!(members[1].to_string(), "out@y.example");
        assert_eq!(
            harvested.left_out,
            ["member CN=Gone,DC=y: it has no address"]
        );
    }

    #[test]
    fn what_is_left_out_is_bounded() {
        let mut harvest = Harvest::new(vec![None], Arc::default());
        for number in 0..limits::IMPORT_ERRORS + 3 {
            harvest.found(object(0, &format!("CN={number}"), "no address", &[]));
        }
        let harvested = harvest.finish();
        assert_eq!(harvested.left_out.len(), limits::IMPORT_ERRORS);
        assert_eq!(harvested.more_left_out, 3);
    }
}
