//! The keys of `[tlsrpt]`: who tells strangers how TLS with them went.

use super::reader::Section;
use super::sections::{mailbox, non_empty};
use crate::outbound::ReportOptions;
use crate::smtp::Mailbox;

/// Longest `organization`.
const ORGANIZATION: usize = 200;

pub(super) fn tlsrpt(root: &Section<'_>) -> Option<ReportOptions> {
    let section = root.section("tlsrpt")?;
    let from = section.text("from", address);
    if from.is_none() && !section.has("from") {
        section.missing(
            "from",
            "whom reports come from, for example \"tls-reports@example.org\"",
        );
    }
    let domain = from.as_ref().map(|at| at.value.domain().key());
    if let Some(domain) = &domain {
        section.usually("organization", domain);
    }
    if let Some(from) = &from {
        section.usually("contact", &from.value.to_string());
    }
    let organization = section.text("organization", |text| match non_empty(text)? {
        long if long.len() > ORGANIZATION => Err(format!(
            "is too long, expected {ORGANIZATION} bytes or less"
        )),
        text => Ok(text.to_owned()),
    });
    let contact = section.text("contact", address);
    section.finish();
    let from = from?.value;
    Some(ReportOptions {
        organization: organization.map_or_else(|| from.domain().key(), |at| at.value),
        contact: contact.map_or_else(|| from.clone(), |at| at.value),
        from,
    })
}

fn address(text: &str) -> Result<Mailbox, String> {
    let address = mailbox(text)?;
    if !address.is_ascii() || address.is_routed() || address.domain().is_literal() {
        return Err(format!(
            "\"{text}\" is not possible, expected a plain address of a domain"
        ));
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Problems, read};

    fn told(section: &str) -> Result<Config, Problems> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tideover.toml");
        let text = format!(
            "[server]\nhostname = \"mx.example.org\"\n[[listener]]\nbind = \"127.0.0.1:2525\"\n\
             [backend.a]\nhosts = [\"192.0.2.1:25\"]\n\
             [domain.\"example.org\"]\nhome = \"a\"\nunknown = \"relay\"\n{section}"
        );
        std::fs::write(&file, text).unwrap();
        read(&file)
    }

    #[test]
    fn nobody_reports_without_the_section() {
        assert_eq!(told("").unwrap().outbound_options().reports, None);
        let least = "[tlsrpt]\nfrom = \"tls@Example.ORG\"\n";
        let options = told(least).unwrap().outbound_options().reports.unwrap();
        assert_eq!(options.organization, "example.org");
        assert_eq!(options.contact, options.from);
        let more = format!("{least}organization = \"An Example\"\ncontact = \"a@b.example\"\n");
        let options = told(&more).unwrap().outbound_options().reports.unwrap();
        assert_eq!(options.organization, "An Example");
        assert_eq!(options.contact.to_string(), "a@b.example");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (section, expected) in [
            ("[tlsrpt]\n", "tlsrpt.from: is missing"),
            ("[tlsrpt]\nfrom = \"nobody\"\n", "tlsrpt.from"),
            (
                "[tlsrpt]\nfrom = \"a@[192.0.2.1]\"\n",
                "expected a plain address",
            ),
            (
                "[tlsrpt]\nfrom = \"ä@example.org\"\n",
                "expected a plain address",
            ),
            (
                "[tlsrpt]\nfrom = \"a@example.org\"\norganization = \" \"\n",
                "tlsrpt.organization: is empty",
            ),
            (
                "[tlsrpt]\nfrom = \"a@example.org\"\nto = \"b@example.org\"\n",
                "tlsrpt.to",
            ),
        ] {
            let told = told(section).unwrap_err().to_string();
            assert!(told.contains(expected), "{section}: {told}");
        }
    }
}
