//! `tls certificates`: those that are shown, those that are believed, and who makes ours.

use super::render::Page;
use crate::acme::AcmeView;
use crate::admin::{CertificatesView, RevocationView};
use crate::base::Timestamp;
use crate::terminal::{moment, visible};

impl Page {
    /// `tls certificates`.
    pub(super) fn tls_certificates(self, all: &CertificatesView) -> String {
        let when = |at: Option<Timestamp>| {
            let unknown = || "nobody can read when".to_owned();
            at.map_or_else(unknown, |at| moment(at, self.now))
        };
        let mut text = String::new();
        if all.shown.is_empty() {
            text += "nothing here speaks TLS\n";
        }
        for one in &all.shown {
            text += &self.field(&one.served, &visible(&one.file));
            let names = match one.names.as_slice() {
                [] => "no host".to_owned(),
                names => names.join(", "),
            };
            let what = format!("for {names}, until {}", when(one.ends));
            text += &self.field("", &what);
        }
        let refused = all.shown.iter().filter_map(|it| it.refused.as_ref());
        let authorities = &all.client_authorities;
        let refused = refused.chain(authorities.iter().filter_map(|it| it.refused.as_ref()));
        let told: Vec<_> = refused
            .map(|why| self.field("not used", &visible(why)))
            .collect();
        text += &told.concat();
        for one in authorities {
            let what = format!("{}, until {}", visible(&one.file), when(one.ends));
            text += &self.field("clients by", &what);
            for list in &one.lists {
                text += &self.field("revoked", &self.revoked(list));
            }
            for issuer in &one.unlisted {
                let what = format!("{}: what it has revoked is not known", visible(issuer));
                text += &self.field("no list of", &what);
            }
        }
        if let Some(acme) = &all.acme {
            text += &self.acme(acme);
        }
        text
    }

    fn revoked(self, list: &RevocationView) -> String {
        let (issuer, file) = (visible(&list.issuer), visible(&list.file));
        let text = format!("{} of {issuer}: {file}", list.revoked);
        let Some(ends) = list.ends else { return text };
        let is_due = list.due.is_some_and(|due| due <= self.now);
        let when = moment(ends, self.now);
        if ends <= self.now {
            format!("{text}, ended {when}: what was revoked since is not known")
        } else if is_due {
            format!("{text}, until {when}: the next one is due")
        } else {
            format!("{text}, until {when}")
        }
    }

    fn acme(self, acme: &AcmeView) -> String {
        let mut text = self.field("made by", &visible(&acme.directory));
        text += &self.field("for", &acme.hosts.join(", "));
        if acme.ends.is_none() {
            text += &self.field("until now", "none was made: a self-signed one is shown");
        }
        let next = if acme.next <= self.now {
            "now".to_owned()
        } else {
            moment(acme.next, self.now)
        };
        text += &self.field("next order", &next);
        if let Some(tried) = acme.tried.filter(|_| acme.failures > 0) {
            let what = format!(
                "{} in a row, last {}",
                acme.failures,
                moment(tried, self.now)
            );
            text += &self.field("failed", &what);
            text += &self.field("because", &visible(&acme.what));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{AuthoritiesView, ShownView};
    use crate::terminal::{Palette, WIDTH, columns};

    const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);

    #[test]
    fn all_that_is_known_of_certificates_is_told() {
        let now = Timestamp::from_millis(1_795_000_000_000);
        let page = Page {
            palette: Palette::Plain,
            now,
        };
        let ends = Some(now.after(DAY * 30));
        let mut all = CertificatesView {
            shown: vec![ShownView {
                served: "mail".to_owned(),
                file: "/var/lib/tideover/acme/certificate.pem".to_owned(),
                names: vec![
                    "mx.example.org".to_owned(),
                    "mta-sts.example.org".to_owned(),
                ],
                ends,
                refused: Some("it holds no certificate".to_owned()),
            }],
            client_authorities: vec![AuthoritiesView {
                file: "/etc/tideover/partners.pem".to_owned(),
                ends,
                lists: vec![RevocationView {
                    file: "/etc/tideover/partners.crl".to_owned(),
                    issuer: "CN=Partner CA".to_owned(),
                    ends,
                    due: ends,
                    revoked: 17,
                }],
                unlisted: vec!["CN=Other \u{1b}CA".to_owned()],
                refused: None,
            }],
            acme: Some(AcmeView {
                directory: "https://ca.example/directory".to_owned(),
                hosts: vec!["mx.example.org".to_owned()],
                ends: None,
                next: now,
                tried: Some(now),
                failures: 2,
                what: "mx.example.org: nobody \u{1b}answers".to_owned(),
            }),
        };
        let text = page.tls_certificates(&all);
        assert!(text.lines().all(|line| columns(line) <= WIDTH), "{text}");
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for told in [
            "certificate.pem",
            "holds no certificate",
            "partners.pem",
            "17 of CN=Partner CA: /etc/tideover/partners.crl, until",
            "no list of",
            "https://ca.example/directory",
            "a self-signed one is shown",
            "2 in a row",
            "next order now",
        ] {
            assert!(words.contains(told), "{told}: {text}");
        }
        assert!(!text.contains('\u{1b}'), "{text}");
        // One that cannot be read yet.
        (all.shown[0].names, all.shown[0].ends) = (Vec::new(), None);
        let text = page.tls_certificates(&all);
        assert!(
            text.contains("for no host, until nobody can read when"),
            "{text}"
        );
        all.shown.clear();
        all.acme = None;
        let text = page.tls_certificates(&all);
        assert!(text.starts_with("nothing here speaks TLS"), "{text}");
    }

    #[test]
    fn a_list_that_is_old_is_told_to_be_old() {
        let made = Timestamp::from_millis(1_795_000_000_000);
        let at = |days| made.after(DAY * days);
        let list = RevocationView {
            file: "/etc/tideover/partners.crl".to_owned(),
            issuer: "CN=Partner CA".to_owned(),
            ends: Some(at(30)),
            due: Some(at(20)),
            revoked: 17,
        };
        let told = |now| {
            let palette = Palette::Plain;
            Page { palette, now }.revoked(&list)
        };
        assert!(!told(at(19)).contains("is due"), "{}", told(at(19)));
        assert!(told(at(24)).contains("the next one is due"));
        assert!(told(at(30)).contains("what was revoked since is not known"));
    }
}
