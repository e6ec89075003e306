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
    let limits = "smtpd_client_event_limit_exceptions";
    step.run(format!(
        "postconf -e \"{limits} = $(postconf -h {limits}) \"{}",
        shell(&exceptions)
    ))
    .run(in_front("postscreen_access_list", &format!("cidr:{file}")))
    .run(in_front(
        "smtpd_client_restrictions",
        &format!("check_client_access cidr:{file}"),
    ))
    .run("postfix reload")
    .note("what these settings say now stays in them: run each line once")
    .note("it is not put into mynetworks: nobody gets the right to relay through Postfix")
    .note(
        "lists, greylisting and SPF checks in smtpd_recipient_restrictions must stand behind a \
         check_client_access of their own: the real sender is not this server",
    )
    .note("XCLIENT and XFORWARD are not used: this server does not send them")
}

/// Puts something before what a list says now. What stands there is not expanded: it goes on
/// following the settings that it names.
fn in_front(name: &str, first: &str) -> String {
    format!("postconf -e \"{name} = {first}, $(postconf -h {name})\"")
}

fn transport(facts: &Facts) -> Step {
    let target = format!("smtp:[{}]:25", facts.hostname);
    let domain = facts.domains.first();
    let domain = domain.map_or("example.org", |it| it.name.as_str());
    let file = "/etc/postfix/tideover-moved";
    Step::new("People of the domains who have moved away", SHELL)
        .run(append(file, &format!("# ann@{domain} {target}")))
        .run(format!("postmap {file}"))
        .run(in_front("transport_maps", &format!("hash:{file}")))
        .run("postfix reload")
        .note(format!(
            "the line with ann@{domain} is an example behind a #; write one without # for each of \
             them, then postmap {file}"
        ))
        .note(
            "they stay valid recipients: else Postfix refuses them before it looks where they are",
        )
        .note("this server then decides by its directory where they live")
}

fn lock(facts: &Facts) -> Step {
    let file = "/etc/postfix/tideover.cidr";
    let names: Vec<_> = facts.domains.iter().map(|it| it.name.as_str()).collect();
    Step::new("After the cutover: nobody goes around this server", SHELL)
        .run("postconf -h smtpd_client_restrictions")
        .run(format!(
            "postconf -e \"smtpd_client_restrictions = permit_mynetworks, \
             permit_sasl_authenticated, check_client_access cidr:{file}, reject\""
        ))
        .run("postfix reload")
        .note(
            "the second line replaces what the first one shows: keep that, and put before reject \
             who else in it may come in",
        )
        .note(format!(
            "only when mail for {} comes through this server alone; or let the firewall do it",
            names.join(", ")
        ))
}
