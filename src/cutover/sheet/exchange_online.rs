//! Exchange Online: an inbound connector, skip listing, accepted domains.

use std::net::IpAddr;

use super::quote::{powershell, powershell_list};
use super::{Certificate, Facts, Step, own_limits, own_side};

const SHELL: &str = "Exchange Online PowerShell";
/// What a mailbox may send there, and how many recipients a message may have.
const LIMITS: [(&str, u32); 3] = [
    ("max_recipients", 500),
    ("sender_messages_per_minute", 30),
    ("sender_recipients_per_day", 10_000),
];
const LIMITS_NOTE: &str = "what the tenant allows a message may be another number \
                           (Get-TransportConfig, MaxRecipientEnvelopeLimit)";

pub(super) fn steps(facts: &Facts) -> Vec<Step> {
    vec![
        connector(facts),
        skip_listing(facts),
        seals(facts),
        domains(facts),
        own_limits(facts, &LIMITS, LIMITS_NOTE),
        lock(facts),
    ]
}

fn name(facts: &Facts) -> String {
    powershell(&format!("From {}", facts.hostname))
}

/// What proves that it is us: the certificate that we show, else our addresses.
fn proof(facts: &Facts) -> String {
    if facts.certificate == Certificate::Hostname {
        return format!("-TlsSenderCertificateName {}", powershell(&facts.hostname));
    }
    let addresses = facts.addresses(IpAddr::is_ipv4);
    format!("-SenderIPAddresses {}", powershell_list(&addresses))
}

fn connector(facts: &Facts) -> Step {
    let comment = format!("Tideover, backend {} ({})", facts.backend, facts.title);
    let mut step = Step::new("A connector for mail from this server", SHELL)
        .run("Connect-ExchangeOnline")
        .run(format!(
            "New-InboundConnector -Name {} -ConnectorType Partner -SenderDomains '*' -RequireTls \
             $true {} -Comment {}",
            name(facts),
            proof(facts),
            powershell(&comment)
        ));
    step = match facts.certificate {
        Certificate::Hostname => step.note(
            "it goes by the certificate that this server shows (client_certificate), which must \
             be signed by an authority that Microsoft trusts",
        ),
        Certificate::None => step.note(
            "it goes by the address; a certificate of this server's name \
             (client_certificate and client_key of the backend) is better where others share it",
        ),
        Certificate::Other => step.note(format!(
            "it goes by the address: client_certificate is not good for {}",
            facts.hostname
        )),
    };
    if facts.certificate != Certificate::Hostname && facts.addresses.iter().any(IpAddr::is_ipv6) {
        step = step.note("such a connector knows IPv4 only: let the backend be reached by IPv4");
    }
    own_side(facts).into_iter().fold(step, Step::note)
}

fn skip_listing(facts: &Facts) -> Step {
    Step::new(
        "Look at the real sender (Enhanced Filtering, skip listing)",
        SHELL,
    )
    .run(format!(
        "Set-InboundConnector -Identity {} -EFSkipIPs {}",
        name(facts),
        powershell_list(&facts.all_addresses())
    ))
    .note("without it SPF fails for all mail, because it comes from this server")
    .note(
        "a mail flow rule that sets SCL -1 for mail from this server must go: it would hide \
             what the filter finds",
    )
    .note("spam still goes to the Junk folder: look there when a test message is missing")
}

fn seals(facts: &Facts) -> Step {
    let step = Step::new("Trusted ARC sealers", SHELL);
    match &facts.sealer {
        Some(domain) => step
            .run(format!(
                "Set-ArcConfig -Identity default -ArcTrustedSealers {}",
                powershell(domain)
            ))
            .note(
                "this server seals what it found out about a sender (auth.seal): the platform can \
                 go by it, also when the mail was held for days",
            )
            .note("the command sets the whole list: name sealers that are trusted already, too"),
        None => step.note(
            "nothing to do: this server seals nothing. With auth.seal (and a key, `tideover key`) \
             it says what it found out about a sender, and the platform could go by that. No body \
             and no signed header is changed, DKIM stays good",
        ),
    }
}

fn domains(facts: &Facts) -> Step {
    let step = Step::new("Domains that are shared with the other platform", SHELL);
    let step = facts.domains.iter().fold(step, |step, domain| {
        let name = powershell(&domain.name);
        step.run(format!(
            "Set-AcceptedDomain -Identity {name} -DomainType InternalRelay"
        ))
    });
    step.note(
        "people whom the tenant does not know are then sent on, to the MX, which is this server; \
         Authoritative would refuse them (550 5.4.1)",
    )
    .note("back to Authoritative when everybody is there")
}

fn lock(facts: &Facts) -> Step {
    let restrict = if facts.certificate == Certificate::Hostname {
        "-RestrictDomainsToCertificate $true"
    } else {
        "-RestrictDomainsToIPAddresses $true"
    };
    Step::new("After the cutover: nobody goes around this server", SHELL)
        .run(format!(
            "Set-InboundConnector -Identity {} {restrict}",
            name(facts)
        ))
        .run("Set-OrganizationConfig -RejectDirectSend $true")
        .note("before the MX has changed everywhere, both would refuse good mail")
        .note(
            "devices and programs that hand in mail of your domains without a connector of their \
             own are refused from then on; a hybrid connector (OnPremises) goes on",
        )
}
