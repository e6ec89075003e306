//! The certificate that an authority makes for us, in a line of `check`.

use crate::acme::AcmeView;
use crate::base::Timestamp;

/// Who makes the certificate, and when the next one is ordered.
pub(super) fn ordered(acme: &AcmeView, now: Timestamp) -> String {
    let (hosts, directory) = (acme.hosts.join(", "), &acme.directory);
    let when = if acme.next <= now {
        "ordered as soon as the server runs".to_owned()
    } else {
        format!("next {}", acme.next)
    };
    format!("{hosts}: certificate by {directory}, {when}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn a_certificate_that_is_not_there_yet_is_ordered_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tideover.toml");
        let text = "[server]\nhostname = \"mx.example.org\"\n\
             [acme]\ndirectory = \"https://ca.example/directory\"\nbind = \"127.0.0.1:80\"\n\
             agree_to_terms = true\n\
             [[listener]]\nbind = \"127.0.0.1:2525\"\n\
             [backend.a]\nhosts = [\"192.0.2.1:25\"]\n\
             [domain.\"example.org\"]\nhome = \"a\"\nunknown = \"relay\"\n";
        std::fs::write(&file, text).unwrap();
        let config = config::read(&file).unwrap();
        let now = Timestamp::from_millis(1_795_000_000_000);
        let told = ordered(&config.acme_view().unwrap(), now);
        let by = "mx.example.org: certificate by https://ca.example/directory, ";
        assert_eq!(told, format!("{by}ordered as soon as the server runs"));
        let mut acme = config.acme_view().unwrap();
        acme.next = now.after(std::time::Duration::from_secs(86_400));
        assert_eq!(ordered(&acme, now), format!("{by}next {}", acme.next));
    }
}
