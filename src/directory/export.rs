//! The directory as a CSV file in its own columns: what [`super::read_csv`] reads.

use std::collections::BTreeSet;
use std::io::Write;

use super::{Directory, Entry};
use crate::mail::{BackendId, one_line};
use crate::smtp::Mailbox;

impl Directory {
    /// Writes all entries that are there, joined; those who departed are left out.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_csv(&self, output: impl Write) -> Result<(), csv::Error> {
        let living = || self.entries().filter(|entry| entry.departed.is_none());
        let mut backends: BTreeSet<BackendId> = BTreeSet::new();
        for entry in living() {
            backends.extend(entry.delivery_addresses.into_keys());
        }
        let mut writer = csv::Writer::from_writer(output);
        let mut head: Vec<String> = ["address", "home", "delivery_address"]
            .map(str::to_owned)
            .into();
        head.extend(backends.iter().map(|one| format!("delivery_address.{one}")));
        let rest = [
            "name",
            "type",
            "aliases",
            "receive_only",
            "x500",
            "second_address",
            "members",
            "hidden",
            "internal_only",
        ];
        head.extend(rest.map(str::to_owned));
        writer.write_record(&head)?;
        for entry in living() {
            // A name with a line end in it could not be read again, nor what stands behind it.
            let row = row(&entry, &backends);
            writer.write_record(row.iter().map(|field| one_line(field)))?;
        }
        writer.flush()?;
        Ok(())
    }
}

fn row(entry: &Entry, backends: &BTreeSet<BackendId>) -> Vec<String> {
    let many = |addresses: &[Mailbox]| {
        let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        texts.join(";")
    };
    let one = |address: Option<&Mailbox>| address.map(ToString::to_string).unwrap_or_default();
    let home = entry.home.as_ref().map(ToString::to_string);
    let mut row = vec![
        entry.address.to_string(),
        home.unwrap_or_default(),
        one(entry.delivery_address.as_ref()),
    ];
    row.extend(
        backends
            .iter()
            .map(|backend| one(entry.delivery_addresses.get(backend))),
    );
    row.extend([
        entry.name.clone(),
        entry.kind.to_string(),
        many(&entry.aliases),
        many(&entry.receive_only),
        x500(&entry.x500),
        one(entry.second_address.as_ref()),
        many(&entry.members),
        if entry.hidden { "yes" } else { "" }.to_owned(),
        if entry.internal_only { "yes" } else { "" }.to_owned(),
    ]);
    row
}

/// What the file cannot hold is left out: with a `;` in it, one would be read as two others. What
/// nobody sees becomes a space, and no space at an end is read.
fn x500(all: &[String]) -> String {
    let shown = all.iter().map(|one| one_line(one));
    let whole = shown.filter(|one| !one.is_empty() && !one.contains(';'));
    whole.collect::<Vec<_>>().join(";")
}
