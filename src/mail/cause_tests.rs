use super::*;

/// What real platforms say: the line, where they say it, the cause, whom it concerns.
const TABLE: &[(&str, Said, Cause, Blame)] = &[
    // Exchange Online.
    (
        "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)",
        Said::Rcpt,
        Cause::Recipient,
        Blame::Recipient,
    ),
    (
        "550 5.4.1 All recipient addresses rejected : Access denied",
        Said::Rcpt,
        Cause::Domain,
        Blame::Recipient,
    ),
    (
        "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
        Said::End,
        Cause::Recipient,
        Blame::Message,
    ),
    (
        "550 5.7.64 TenantAttribution; Relay Access Denied [ValueDomain: ATTR36]",
        Said::Rcpt,
        Cause::Domain,
        Blame::Recipient,
    ),
    (
        "550 5.7.520 Access denied, Your organization does not allow external forwarding",
        Said::Rcpt,
        Cause::Policy,
        Blame::Recipient,
    ),
    (
        "550 5.7.68 TenantInboundAttribution; Direct Send not allowed for this organization",
        Said::Rcpt,
        Cause::Policy,
        Blame::Recipient,
    ),
    (
        "550 5.7.606 Access denied, banned sending IP [192.0.2.1]",
        Said::Rcpt,
        Cause::Policy,
        Blame::Recipient,
    ),
    (
        "550 5.7.128 TransportRules loop count exceeded",
        Said::End,
        Cause::Policy,
        Blame::Message,
    ),
    (
        "554 5.4.14 Hop count exceeded - possible mail loop ATTR34",
        Said::End,
        Cause::Domain,
        Blame::Message,
    ),
    (
        "554 5.4.6 Hop count exceeded - possible mail loop",
        Said::End,
        Cause::Domain,
        Blame::Message,
    ),
    (
        "550 5.7.230 Connecting Exchange server version is out-of-date; connection blocked",
        Said::Mail,
        Cause::Policy,
        Blame::Message,
    ),
    (
        "450 4.7.230 Connecting Exchange server version is out-of-date; throttled",
        Said::Mail,
        Cause::SlowDown,
        Blame::Backend,
    ),
    (
        "451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (S77719)",
        Said::Rcpt,
        Cause::SlowDown,
        Blame::Backend,
    ),
    (
        "451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited",
        Said::Mail,
        Cause::SlowDown,
        Blame::Backend,
    ),
    (
        "451 4.7.651 The mail server [192.0.2.1] has been temporarily rate limited",
        Said::Rcpt,
        Cause::SlowDown,
        Blame::Backend,
    ),
    (
        "451 4.4.4 Mail received as unauthenticated, incoming to a hosted domain [ATTR5]",
        Said::Rcpt,
        Cause::Domain,
        Blame::Recipient,
    ),
    (
        "451 4.4.62 Mail sent to the wrong Office 365 region. ATTR35",
        Said::Rcpt,
        Cause::Domain,
        Blame::Recipient,
    ),
    (
        "421 4.4.1 Connection timed out. Total session duration: 00:20:00",
        Said::Rcpt,
        Cause::Trouble,
        Blame::Backend,
    ),
    (
        "554 5.6.0 Corrupt message content",
        Said::End,
        Cause::Content,
        Blame::Message,
    ),
    // Exchange on-premises.
    (
        "550 5.1.1 User unknown",
        Said::Rcpt,
        Cause::Recipient,
        Blame::Recipient,
    ),
    (
        "550 5.7.1 Unable to relay",
        Said::Rcpt,
        Cause::Domain,
        Blame::Recipient,
    ),
    (
        "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain",
        Said::Rcpt,
        Cause::Domain,
        Blame::Recipient,
    ),
    (
        "530 5.7.1 Client was not authenticated",
        Said::Mail,
        Cause::Policy,
        Blame::Backend,
    ),
    (
        "530 5.7.57 SMTP; Client was not authenticated to send anonymous mail during MAIL FROM",
        Said::Mail,
        Cause::Policy,
        Blame::Backend,
    ),
    (
        "530 5.7.0 Must issue a STARTTLS command first",
        Said::Mail,
        Cause::Policy,
        Blame::Backend,
    ),
    (
        "530 5.7.1 Authentication required",
        Said::Rcpt,
        Cause::Policy,
        Blame::Recipient,
    ),
    (
        "550 5.7.1 Client does not have permissions to send as this sender",
        Said::End,
        Cause::Policy,
        Blame::Message,
    ),
    (
        "550 5.7.1 Message rejected as spam by Content Filtering.",
        Said::End,
        Cause::Content,
        Blame::Message,
    ),
    (
        "550 5.2.3 RESOLVER.RST.RecipSizeLimit; message too large for this recipient",
        Said::End,
        Cause::Content,
        Blame::Message,
    ),
    (
        "552 5.3.4 Message size exceeds fixed maximum message size",
        Said::Mail,
        Cause::Content,
        Blame::Message,
    ),
    (
        "452 4.3.1 Insufficient system resources",
        Said::Rcpt,
        Cause::SlowDown,
        Blame::Backend,
    ),
    (
        "452 4.3.1 Insufficient system resources (UsedDiskSpace)",
        Said::Mail,
        Cause::SlowDown,
        Blame::Backend,
    ),
    (
        "452 4.5.3 Too many recipients",
        Said::Rcpt,
        Cause::Recipient,
        Blame::Recipient,
    ),
    (
        "421 4.4.2 Message submission rate for this client has exceeded the configured limit",
        Said::Mail,
        Cause::SlowDown,
        Blame::Backend,
    ),
    (
        "421 4.3.2 Service not available",
        Said::Connect,
        Cause::SlowDown,
        Blame::Backend,
    ),
    (
        "421 4.3.2 The maximum number of concurrent connections has exceeded a limit",
        Said::Connect,
        Cause::SlowDown,
        Blame::Backend,
    ),
    (
        "451 4.3.2 not now",
        Said::Data,
        Cause::SlowDown,
        Blame::Backend,
    ),
    (
        "535 5.7.3 Authentication unsuccessful",
        Said::Connect,
        Cause::Policy,
        Blame::Backend,
    ),
    // Google.
    (
        "550 5.1.1 The email account that you tried to reach does not exist",
        Said::Rcpt,
        Cause::Recipient,
        Blame::Recipient,
    ),
    (
        "550 5.2.1 The email account that you tried to reach is disabled",
        Said::Rcpt,
        Cause::Recipient,
        Blame::Recipient,
    ),
    (
        "450 4.2.1 The user you are trying to contact is receiving mail too quickly",
        Said::Rcpt,
        Cause::Recipient,
        Blame::Recipient,
    ),
    (
        "452 4.2.2 The recipient's inbox is out of storage space",
        Said::Rcpt,
        Cause::Recipient,
        Blame::Recipient,
    ),
    (
        "552 5.2.2 The recipient's inbox is out of storage space and inactive",
        Said::Rcpt,
        Cause::Recipient,
        Blame::Recipient,
    ),
    (
        "421 4.7.0 Try again later, closing connection",
        Said::Connect,
        Cause::Trouble,
        Blame::Backend,
    ),
    (
        "421 4.7.28 Gmail has detected an unusual rate of mail",
        Said::End,
        Cause::SlowDown,
        Blame::Backend,
    ),
    (
        "550 5.7.26 This message does not pass authentication checks (SPF and DKIM)",
        Said::End,
        Cause::Content,
        Blame::Message,
    ),
    (
        "550 5.7.27 The sender's domain does not pass SPF",
        Said::End,
        Cause::Content,
        Blame::Message,
    ),
    (
        "550 5.7.25 The IP address sending this message does not have a PTR record",
        Said::End,
        Cause::Policy,
        Blame::Message,
    ),
    (
        "550 5.7.1 Our system has detected that this message is likely unsolicited mail",
        Said::End,
        Cause::Content,
        Blame::Message,
    ),
    (
        "550 5.7.1 The IP you're using to send mail is not authorized",
        Said::End,
        Cause::Policy,
        Blame::Message,
    ),
    (
        "550 5.4.5 Daily SMTP relay sending limit exceeded",
        Said::Mail,
        Cause::Policy,
        Blame::Message,
    ),
    // Postfix.
    (
        "550 5.1.1 <ann@example.org>: Recipient address rejected: User unknown",
        Said::Rcpt,
        Cause::Recipient,
        Blame::Recipient,
    ),
    (
        "554 5.7.1 <ann@example.org>: Relay access denied",
        Said::Rcpt,
        Cause::Domain,
        Blame::Recipient,
    ),
    (
        "454 4.7.1 <ann@example.org>: Relay access denied",
        Said::Rcpt,
        Cause::Recipient,
        Blame::Recipient,
    ),
    (
        "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
        Said::Rcpt,
        Cause::Policy,
        Blame::Recipient,
    ),
    (
        "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
        Said::End,
        Cause::Policy,
        Blame::Message,
    ),
    (
        "550 5.1.8 <x@nowhere.invalid>: Sender address rejected: Domain not found",
        Said::Rcpt,
        Cause::Policy,
        Blame::Recipient,
    ),
    (
        "450 4.2.0 <ann@example.org>: Recipient address rejected: Greylisted",
        Said::Rcpt,
        Cause::Recipient,
        Blame::Recipient,
    ),
    (
        "451 4.3.0 <ann@example.org>: Temporary lookup failure",
        Said::Rcpt,
        Cause::Trouble,
        Blame::Backend,
    ),
    (
        "451 4.3.0 Error: queue file write error",
        Said::End,
        Cause::Recipient,
        Blame::Message,
    ),
    (
        "451 4.3.5 Server configuration error",
        Said::Rcpt,
        Cause::Trouble,
        Blame::Backend,
    ),
    (
        "452 4.3.1 Insufficient system storage",
        Said::Mail,
        Cause::SlowDown,
        Blame::Backend,
    ),
    (
        "554 5.7.1 Message contains a virus: Eicar-Test-Signature",
        Said::End,
        Cause::Content,
        Blame::Message,
    ),
    (
        "554 5.7.1 id=1-2, BANNED: application/x-msdownload",
        Said::End,
        Cause::Content,
        Blame::Message,
    ),
    (
        "552 5.3.4 Message size exceeds fixed limit",
        Said::End,
        Cause::Content,
        Blame::Message,
    ),
    // Dovecot, and servers without enhanced codes.
    (
        "550 5.1.1 <ann@example.org> User doesn't exist: ann@example.org",
        Said::Rcpt,
        Cause::Recipient,
        Blame::Recipient,
    ),
    (
        "552 5.2.2 <ann@example.org> Quota exceeded (mailbox for user is full)",
        Said::End,
        Cause::Recipient,
        Blame::Message,
    ),
    (
        "451 4.2.0 <ann@example.org> Temporary internal error",
        Said::End,
        Cause::Recipient,
        Blame::Message,
    ),
    (
        "550 no such user",
        Said::Rcpt,
        Cause::Recipient,
        Blame::Recipient,
    ),
    (
        "550 relay not permitted",
        Said::Rcpt,
        Cause::Domain,
        Blame::Recipient,
    ),
    (
        "550 sender blocked",
        Said::Rcpt,
        Cause::Policy,
        Blame::Recipient,
    ),
    (
        "554 transaction failed",
        Said::End,
        Cause::Policy,
        Blame::Message,
    ),
    ("452 full", Said::Mail, Cause::SlowDown, Blame::Backend),
    (
        "452 too many recipients",
        Said::Rcpt,
        Cause::Recipient,
        Blame::Recipient,
    ),
    ("554 go away", Said::Connect, Cause::Policy, Blame::Backend),
    (
        "450 4.4.2 network",
        Said::Mail,
        Cause::SlowDown,
        Blame::Backend,
    ),
    (
        "450 4.4.1 no answer from host",
        Said::Rcpt,
        Cause::Trouble,
        Blame::Backend,
    ),
    (
        "451 4.7.1 later",
        Said::Mail,
        Cause::Recipient,
        Blame::Message,
    ),
    (
        "554 5.3.0 broken",
        Said::End,
        Cause::Trouble,
        Blame::Message,
    ),
];

#[test]
fn what_real_platforms_say() {
    for &(line, said, cause, blame) in TABLE {
        let reply = Reply::parse(&[line]).unwrap();
        let found = classify(&reply, said);
        assert_eq!(found, cause, "{line} at {said:?}");
        assert_eq!(found.blame(&reply, said), blame, "{line} at {said:?}");
    }
}

#[test]
fn before_the_data_words_are_no_content() {
    let words = "550 5.7.1 rejected: spam, virus, content";
    let reply = Reply::parse(&[words]).unwrap();
    for (said, cause) in [
        (Said::Mail, Cause::Policy),
        (Said::Rcpt, Cause::Policy),
        (Said::Data, Cause::Content),
        (Said::End, Cause::Content),
    ] {
        assert_eq!(classify(&reply, said), cause, "{said:?}");
    }
}
