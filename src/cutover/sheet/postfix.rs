//! Postfix: what lets mail of one address through undelayed, and the way to those who have moved.

use super::quote::{one_line, postfix, shell};
use super::{Facts, Step};

const SHELL: &str = "a root shell on the server";

pub(super) fn steps(facts: &Facts) -> Vec<Step> {
    vec![client(facts), transport(facts), lock(facts)]
}

fn append(file: &str, line: &str) -> String {
    format!("printf '%s\\n' {} >> {file}", shell(line))
}

fn client(facts: &Facts) -> Step {
    let addresses = facts.all_addresses();
    let comment = format!("# {} ({})", facts.backend, one_line(&facts.title));
    let file = "/etc/postfix/tideover.cidr";
    let step = Step::new("Mail from this server without delays and limits", SHELL)
        .run(append(file, &comment));
    let step = addresses.iter().fold(step, |step, address| {
        step.run(append(file, &format!("{address} permit")))
    });
    // In lists Postfix wants IPv6 in brackets, in tables without.
    let listed = addresses.iter().map(|it| {
        if it.contains(':') {
            format!("[{it}]")
        } else {
            it.clone()
        }
    });
    let exceptions = postfix(&listed.collect::<Vec<_>>().join(" "));
    step.run(postconf(&format!(
        "smtpd_client_event_limit_exceptions = $mynetworks {exceptions}"
    )))
    .run(postconf(&format!(
        "postscreen_access_list = permit_mynetworks, cidr:{file}"
    )))
    .run(format!(
        "postconf -e \"smtpd_client_restrictions = check_client_access cidr:{file}, $(postconf -hx \
         smtpd_client_restrictions)\""
    ))
    .run("postfix reload")
    .note("it is not put into mynetworks: nobody gets the right to relay through Postfix")
    .note(
        "lists, greylisting and SPF checks in smtpd_recipient_restrictions must stand behind a \
         check_client_access of their own: the real sender is not this server",
    )
    .note("XCLIENT and XFORWARD are not used: this server does not send them")
}

fn postconf(setting: &str) -> String {
    format!("postconf -e {}", shell(setting))
}

fn transport(facts: &Facts) -> Step {
    let target = format!("smtp:[{}]:25", facts.hostname);
    let domain = facts.domains.first();
    let domain = domain.map_or("example.org", |it| it.name.as_str());
    let file = "/etc/postfix/tideover-moved";
    Step::new("People of the domains who have moved away", SHELL)
        .run(append(file, &format!("ann@{domain} {target}")))
        .run(format!("postmap {file}"))
        .run(format!(
            "postconf -e \"transport_maps = hash:{file}, $(postconf -hx transport_maps)\""
        ))
        .run("postfix reload")
        .note(format!(
            "one line for each of them (ann@{domain} is an example), and they stay valid \
             recipients: else Postfix refuses them before it looks where they are"
        ))
        .note("this server then decides by its directory where they live")
}

fn lock(facts: &Facts) -> Step {
    let file = "/etc/postfix/tideover.cidr";
    let names: Vec<_> = facts.domains.iter().map(|it| it.name.as_str()).collect();
    Step::new("After the cutover: nobody goes around this server", SHELL)
        .run(format!(
            "postconf -e \"smtpd_client_restrictions = permit_mynetworks, \
             permit_sasl_authenticated, check_client_access cidr:{file}, reject\""
        ))
        .run("postfix reload")
        .note(format!(
            "only when mail for {} comes through this server alone; or let the firewall do it",
            names.join(", ")
        ))
}
