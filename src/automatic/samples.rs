//! Headers as the programs write them whose answers they are, after their documents and sources.

use crate::mail::AutomaticKind;

/// A message, its envelope, and what it is.
pub(super) struct Sample {
    pub(super) name: &'static str,
    /// MAIL FROM; empty: the null path.
    pub(super) from: &'static str,
    pub(super) message: &'static str,
    pub(super) kind: Option<AutomaticKind>,
}

const fn sample(
    name: &'static str,
    from: &'static str,
    message: &'static str,
    kind: Option<AutomaticKind>,
) -> Sample {
    Sample {
        name,
        from,
        message,
        kind,
    }
}

const OOF: Option<AutomaticKind> = Some(AutomaticKind::OutOfOffice);
const REPLY: Option<AutomaticKind> = Some(AutomaticKind::AutoReply);
const FORWARD: Option<AutomaticKind> = Some(AutomaticKind::AutoForward);
const REPORT: Option<AutomaticKind> = Some(AutomaticKind::DeliveryReport);
const RECEIPT: Option<AutomaticKind> = Some(AutomaticKind::ReadReceipt);
const NDR: Option<AutomaticKind> = Some(AutomaticKind::Ndr);

/// Answers.
pub(super) const ANSWERS: &[Sample] = &[
    sample(
        "Exchange, absence notice",
        "",
        "From: Ann <ann@example.org>\nTo: eve@example.net\nSubject: Automatic reply: Offer\n\
         Thread-Topic: Offer\nIn-Reply-To: <1@example.net>\nX-MS-Has-Attach:\n\
         X-Auto-Response-Suppress: All\nX-MS-Exchange-Inbox-Rules-Loop: ann@example.org\n\
         X-MS-TNEF-Correlator:\nx-ms-exchange-parent-message-id: <1@example.net>\n\
         auto-submitted: auto-generated\n\
         x-ms-exchange-generated-message-source: Mailbox Rules Agent\n\
         Content-Type: text/plain; charset=\"us-ascii\"\nMIME-Version: 1.0\n\nI am away.\n",
        OOF,
    ),
    sample(
        "Exchange, reply of a rule with a sender of its own",
        "desk@example.org",
        "From: Desk <desk@example.org>\nX-Auto-Response-Suppress: All\n\
         X-MS-Exchange-Inbox-Rules-Loop: desk@example.org\nauto-submitted: auto-generated\n\
         x-ms-exchange-generated-message-source: Mailbox Rules Agent\n\nWe have got it.\n",
        OOF,
    ),
    sample(
        "Pigeonhole and Cyrus, vacation of Sieve",
        "",
        "From: <ann@example.org>\nSubject: Auto: Offer\nIn-Reply-To: <1@example.net>\n\
         Auto-Submitted: auto-replied (vacation)\nPrecedence: bulk\nX-Sieve: Pigeonhole Sieve\n\
         \nI am away.\n",
        OOF,
    ),
    sample(
        "vacation(1)",
        "",
        "From: ann@example.org\nSubject: away from my mail\nDelivered-By-The-Graces-Of: vacation\n\
         Precedence: bulk\nAuto-Submitted: auto-replied\n\nI am away.\n",
        REPLY,
    ),
    sample(
        "a responder with a sender of its own",
        "tickets@example.net",
        "From: tickets@example.net\nAuto-Submitted:\n auto-replied; owner-email=\"a@b.example\"\n\
         \nTicket 7.\n",
        REPLY,
    ),
    sample(
        "a responder that knows no RFC",
        "tickets@example.net",
        "From: tickets@example.net\nX-Autoreply: yes\nPrecedence: bulk\n\nTicket 7.\n",
        REPLY,
    ),
    sample(
        "another one",
        "tickets@example.net",
        "From: tickets@example.net\nPrecedence: auto_reply\n\nTicket 7.\n",
        REPLY,
    ),
    sample(
        "an answer of old with the null path",
        "",
        "From: ann@example.org\nIn-Reply-To: <1@example.net>\nPrecedence: junk\n\nAway.\n",
        REPLY,
    ),
    sample(
        "Exchange, forward of a rule",
        "ann@example.org",
        "From: Eve <eve@example.net>\nSubject: Offer\n\
         X-MS-Exchange-Inbox-Rules-Loop: ann@example.org\n\nText.\n",
        FORWARD,
    ),
    sample(
        "Exchange, forward of a mailbox",
        "eve@example.net",
        "From: Eve <eve@example.net>\n\
         X-MS-Exchange-ForwardingLoop: ann@example.org;0fed32bf\n\nText.\n",
        FORWARD,
    ),
    sample(
        "Exchange, within the organisation",
        "ann@example.org",
        "From: Eve <eve@example.net>\nX-MS-Exchange-Organization-AutoForwarded: true\n\nText.\n",
        FORWARD,
    ),
    sample(
        "a gateway of X.400",
        "ann@example.org",
        "From: Eve <eve@example.net>\nAutoforwarded: TRUE\n\nText.\n",
        FORWARD,
    ),
    sample(
        "Gmail, forward",
        "ann+caf_=bob=example.net@gmail.com",
        "X-Forwarded-To: bob@example.net\nX-Forwarded-For: ann@gmail.com bob@example.net\n\
         Delivered-To: ann@gmail.com\nFrom: eve@example.com\n\nText.\n",
        FORWARD,
    ),
];

/// Reports.
pub(super) const REPORTS: &[Sample] = &[
    sample(
        "Postfix, failure",
        "",
        "From: MAILER-DAEMON@mail.example.net (Mail Delivery System)\n\
         Subject: Undelivered Mail Returned to Sender\nAuto-Submitted: auto-replied\n\
         MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status;\n\
         \tboundary=\"4F1/mail.example.net\"\n\nThis is a MIME-encapsulated message.\n\n\
         --4F1/mail.example.net\nContent-Description: Notification\nContent-Type: text/plain\n\n\
         Action: delivered, says a text\n\n--4F1/mail.example.net\n\
         Content-Description: Delivery report\nContent-Type: message/delivery-status\n\n\
         Reporting-MTA: dns; mail.example.net\n\nFinal-Recipient: rfc822; a@example.net\n\
         Action: delayed\nStatus: 4.0.0\n\nFinal-Recipient: rfc822; b@example.net\n\
         Action: failed\nStatus: 5.1.1\n\n--4F1/mail.example.net--\n",
        NDR,
    ),
    sample(
        "Postfix, success",
        "",
        "From: MAILER-DAEMON@mail.example.net (Mail Delivery System)\n\
         Auto-Submitted: auto-replied\nContent-Type: multipart/report; boundary=b;\n\
         \treport-type=\"delivery-status\"\n\n--b\nContent-Type: text/plain\n\nIt has arrived.\n\
         --b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mail.example.net\n\n\
         Final-Recipient: rfc822; a@example.net\nAction: delivered (to mailbox)\n--b--\n",
        REPORT,
    ),
    sample(
        "Postfix, delay",
        "",
        "Auto-Submitted: auto-replied\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\
         Content-Type: message/delivery-status\n\nAction: delayed\n--b\n\
         Content-Type: text/rfc822-headers\n\nAction: failed\n--b--\n",
        REPORT,
    ),
    sample(
        "Exchange, failure",
        "",
        "From: MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.org\n\
         X-MS-Exchange-Message-Is-Ndr:\nIn-Reply-To: <1@example.net>\n\
         Content-Type: multipart/report; report-type=delivery-status;\n\
         \tboundary=\"5e7a\"\nContent-Language: en-US\n\n--5e7a\nContent-Type: text/html\n\n\
         <p>No</p>\n--5e7a\nContent-Type: message/delivery-status\n\n\
         Reporting-MTA: dns;ex.example.org\n\nFinal-recipient: RFC822;bob@example.org\n\
         Action: failed\nStatus: 5.1.10\n\n--5e7a--\n",
        NDR,
    ),
    sample(
        "Gmail, failure",
        "",
        "From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>\n\
         Auto-Submitted: auto-replied\nX-Failed-Recipients: bob@example.net\n\
         Content-Type: multipart/report; boundary=\"0000\"; report-type=delivery-status\n\n\
         --0000\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; googlemail.com\n\n\
         Final-Recipient: rfc822; bob@example.net\nAction: failed\n--0000--\n",
        NDR,
    ),
    sample(
        "Gmail, delay",
        "",
        "Auto-Submitted: auto-replied\nX-Failed-Recipients: bob@example.net\n\
         Content-Type: multipart/report; boundary=\"0000\"; report-type=delivery-status\n\n\
         --0000\nContent-Type: message/delivery-status\n\nAction: delayed\n--0000--\n",
        REPORT,
    ),
    sample(
        "Exim, failure without MIME",
        "",
        "X-Failed-Recipients: bob@example.net\nAuto-Submitted: auto-replied\n\
         From: Mail Delivery System <Mailer-Daemon@mail.example.net>\n\nIt failed.\n",
        NDR,
    ),
    sample(
        "Outlook, read",
        "",
        "From: bob@example.net\nSubject: Read: Offer\n\
         Content-Type: multipart/report; report-type=disposition-notification;\n\
         \tboundary=\"b\"\n\n--b\n\nYour message was read.\n--b--\n",
        RECEIPT,
    ),
    sample(
        "Thunderbird, read, sent with its account",
        "bob@example.net",
        "From: bob@example.net\nContent-Type: multipart/report; (x;y=z)\n\
         report-type=\"disposition-notification\"; boundary=b\n\n--b--\n",
        None,
    ),
    sample(
        "Thunderbird, read, folded as it should be",
        "bob@example.net",
        "From: bob@example.net\nContent-Type: multipart/report; (x;y=z)\n\
         \x20report-type=\"disposition-notification\"; boundary=b\n\n--b--\n",
        RECEIPT,
    ),
];

/// Ordinary mail, and what nobody can tell surely.
pub(super) const ORDINARY: &[Sample] = &[
    sample(
        "a letter",
        "eve@example.net",
        "Subject: Automatic reply: a\n\nText.\n",
        None,
    ),
    sample("nothing", "", "", None),
    sample(
        "a notice of a machine",
        "cron@example.net",
        "Auto-Submitted: auto-generated\nX-Auto-Response-Suppress: All\nPrecedence: bulk\n\nA.\n",
        None,
    ),
    sample(
        "a mailing list",
        "list-bounces@example.net",
        "List-Id: <l.example.net>\nPrecedence: list\nIn-Reply-To: <1@example.net>\n\nText.\n",
        None,
    ),
    sample(
        "somebody says that he wrote it",
        "",
        "Auto-Submitted: no\nX-Autoreply: yes\nPrecedence: auto_reply\nIn-Reply-To: <1@a>\n\nA.\n",
        None,
    ),
    sample(
        "two that contradict each other",
        "",
        "Auto-Submitted: no\nAuto-Submitted: auto-replied\n\nA.\n",
        None,
    ),
    sample(
        "the null path alone",
        "",
        "From: ann@example.org\nSubject: Hello\n\nText.\n",
        None,
    ),
    sample(
        "a report of old, which says neither success nor failure",
        "",
        "From: MAILER-DAEMON@mail.example.net\nIn-Reply-To: <1@a>\nPrecedence: junk\n\n\
         Hi. This is the qmail-send program.\n",
        None,
    ),
    sample(
        "a report that somebody passed on",
        "ann@example.org",
        "Auto-Submitted: auto-replied\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\
         Content-Type: message/delivery-status\n\nAction: failed\n--b--\n",
        None,
    ),
    sample(
        "a report with an action that nobody knows",
        "",
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\
         Content-Type: message/delivery-status\n\nAction: lost\n--b--\n",
        None,
    ),
    sample(
        "a report without an end",
        "",
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\
         Content-Type: message/delivery-status\n\nAction: delivered\n",
        None,
    ),
    sample(
        "a report of abuse",
        "",
        "Auto-Submitted: auto-generated\n\
         Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b--\n",
        None,
    ),
    sample(
        "a failure within a letter",
        "eve@example.net",
        "Content-Type: multipart/mixed; boundary=b; report-type=delivery-status\n\n--b\n\
         Content-Type: message/delivery-status\n\nAction: failed\n--b--\n",
        None,
    ),
    sample(
        "an address of a host, not a forward",
        "eve@example.net",
        "X-Forwarded-For: 192.0.2.1\nX-Forwarded-To: \n\nText.\n",
        None,
    ),
];
