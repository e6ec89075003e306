//! `directory x500`.

use super::Failure;
use super::directory::Teller;
use super::intent::{Request, escape};
use crate::admin::X500View;

impl Teller {
    /// Without a home: of everybody.
    pub(super) async fn x500(&self, home: Option<String>) -> Result<(), Failure> {
        let mut path = "/api/directory/x500".to_owned();
        path.extend(home.map(|home| format!("?home={}", escape(&home))));
        let answer: serde_json::Value = self.client.ask(Request::get(path)).await?;
        self.print(&answer, |_, all: &Vec<X500View>| written(all))
    }
}

/// A line for each, as `Import-Csv` takes it.
fn written(all: &[X500View]) -> String {
    let mut text = "PrimarySmtpAddress,X500\n".to_owned();
    for one in all {
        for x500 in &one.x500 {
            // Tabs and the like are no part of a name: the file is for people and their shells.
            let clean: String = x500.chars().filter(|c| !c.is_control()).collect();
            let quoted = clean.replace('"', "\"\"");
            text.extend([one.address.as_str(), ",\"", &quoted, "\"\n"]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_x500_address_is_a_line_for_import_csv() {
        let ann = X500View {
            address: "ann@example.org".to_owned(),
            x500: vec![
                "X500:/o=Org, Old/cn=\"Ann\"".to_owned(),
                "X500:/o=Org/cn=a\tnn".to_owned(),
            ],
        };
        assert_eq!(
            written(&[ann]),
            "PrimarySmtpAddress,X500\n\
             ann@example.org,\"X500:/o=Org, Old/cn=\"\"Ann\"\"\"\n\
             ann@example.org,\"X500:/o=Org/cn=ann\"\n"
        );
    }
}
