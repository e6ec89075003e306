//! Google Workspace: the inbound gateway, and a route for those who are not there yet.

use super::{Facts, Step, own_limits, own_side};

const CONSOLE: &str = "Admin console, Apps > Google Workspace > Gmail";

/// What a message may have there, and what an account may send within a day.
const LIMITS: [(&str, u32); 3] = [
    ("max_recipients", 100),
    ("sender_messages_per_minute", 30),
    ("sender_recipients_per_day", 10_000),
];
const LIMITS_NOTE: &str = "a transaction over SMTP has 100 recipients there, an account 10,000 \
                           within a day; trial accounts have less";

pub(super) fn steps(facts: &Facts) -> Vec<Step> {
    vec![
        gateway(facts),
        route(facts),
        own_limits(facts, &LIMITS, LIMITS_NOTE),
        lock(),
    ]
}

fn gateway(facts: &Facts) -> Step {
    let place = format!("{CONSOLE} > Spam, Phishing and Malware > Inbound gateway");
    let step = Step::new("An inbound gateway", &place)
        .note(format!("Gateway IPs: {}", facts.all_addresses().join(", ")))
        .note("tick \"Automatically detect external IP\": Gmail then looks at the real sender")
        .note("tick \"Require TLS for connections from the email gateways listed above\"")
        .note("leave \"Reject all mail not from gateway IPs\" for after the cutover")
        .note("Gmail makes no SPF and DMARC checks for a gateway; private addresses do not count");
    own_side(facts).into_iter().fold(step, Step::note)
}

fn route(facts: &Facts) -> Step {
    let names: Vec<_> = facts.domains.iter().map(|it| it.name.as_str()).collect();
    let place = format!("{CONSOLE} > Hosts, then Routing");
    Step::new("People of the domains who have no mailbox there", &place)
        .note(format!(
            "Hosts: a route \"Tideover\" to the single host {}, port 25, with TLS and a valid \
             certificate required",
            facts.hostname
        ))
        .note(format!(
            "Routing, for {}: inbound and internal-receiving messages, change the route to \
             \"Tideover\", account types: unrecognized and catch-all only",
            names.join(", ")
        ))
        .note("without it Gmail refuses people whom it does not know, also from its own users")
}

fn lock() -> Step {
    let place = format!("{CONSOLE} > Spam, Phishing and Malware > Inbound gateway");
    Step::new("After the cutover: nobody goes around this server", &place)
        .note("tick \"Reject all mail not from gateway IPs\"")
        .note(
            "a mailbox that gets more than 60 messages a minute is suspended for a day: leave \
               mailbox_messages_per_minute of the backend at 30 or below",
        )
}
