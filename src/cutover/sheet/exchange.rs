//! Exchange Server: a receive connector, accepted domains, and the way back.

use super::quote::{powershell, powershell_list};
use super::{Facts, Step, Tls};

const SHELL: &str = "Exchange Management Shell";

pub(super) fn steps(facts: &Facts) -> Vec<Step> {
    vec![receive(facts), domains(facts), back(facts)]
}

fn receive(facts: &Facts) -> Step {
    let name = format!("From {}", facts.hostname);
    let comment = format!("Tideover, backend {} ({})", facts.backend, facts.title);
    let addresses = powershell_list(&facts.all_addresses());
    let identity = r#""$env:COMPUTERNAME\$name""#;
    let step = Step::new(
        "A receive connector for mail from this server, on each server",
        SHELL,
    )
    .run(format!("$name = {}", powershell(&name)))
    .run(format!(
        "New-ReceiveConnector -Name $name -TransportRole FrontendTransport -Custom -Bindings \
             '0.0.0.0:25','[::]:25' -RemoteIPRanges {addresses} -PermissionGroups AnonymousUsers \
             -AuthMechanism Tls -Comment {}",
        powershell(&comment)
    ))
    .run(format!(
        "Set-ReceiveConnector -Identity {identity} -TarpitInterval 00:00:00 \
             -MaxAcknowledgementDelay 00:00:00 -MessageRateLimit Unlimited \
             -MaxInboundConnectionPerSource {} -ProtocolLoggingLevel Verbose",
        facts.max_connections.max(20)
    ))
    .run(format!(
        "Set-TransportConfig -InternalSMTPServers @{{Add={addresses}}}"
    ))
    .note("RemoteIPRanges are the addresses that Exchange sees: behind a NAT, say --address")
    .note("the last line lets filters on the server look past this server at the real sender")
    .note(
        "no permission to relay is given: mail for domains that are not accepted ones is \
             refused",
    );
    if facts.tls == Tls::Weak {
        return step.note(format!(
            "[backend.{}] tls may become \"required\" once Exchange offers STARTTLS here",
            facts.backend
        ));
    }
    step
}

fn domains(facts: &Facts) -> Step {
    let step = Step::new("Domains that are shared with the other platform", SHELL);
    let step = facts.domains.iter().fold(step, |step, domain| {
        let name = powershell(&domain.name);
        step.run(format!(
            "Get-AcceptedDomain | Where-Object DomainName -eq {name} | Set-AcceptedDomain \
             -DomainType InternalRelay"
        ))
    });
    step.note("Authoritative would refuse people who have moved away and have no mail user here")
}

fn back(facts: &Facts) -> Step {
    let names: Vec<String> = facts
        .domains
        .iter()
        .map(|domain| format!("SMTP:{};5", domain.name))
        .collect();
    Step::new("People of the domains who have no mailbox there", SHELL)
        .run(format!(
            "New-SendConnector -Name {} -AddressSpaces {} -DNSRoutingEnabled $false -SmartHosts {} \
             -RequireTLS $true -SourceTransportServers $env:COMPUTERNAME",
            powershell(&format!("To {}", facts.hostname)),
            powershell_list(&names),
            powershell(&facts.hostname)
        ))
        .note(
            "not in a hybrid organisation: between Exchange and Exchange Online its own \
             connectors must go on, this server belongs on the Internet's side of both",
        )
}
