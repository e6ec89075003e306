use super::*;
use crate::directory::Rules;
use crate::directory::import::{Against, read_rows};

fn read(bytes: &[u8]) -> (Vec<Record>, Vec<String>) {
    let mut records = Vec::new();
    let against = Against {
        rules: &Rules::default(),
        backends: &[],
    };
    let reading = read_rows(bytes, against, &mut |row| {
        if let Row::Good(record) = row {
            records.push(*record);
        }
    });
    let errors = reading.errors.errors.iter().map(ToString::to_string);
    (records, errors.collect())
}

fn good(text: &str) -> Vec<Record> {
    let (records, errors) = read(text.as_bytes());
    assert!(errors.is_empty(), "{errors:?}");
    records
}

fn texts(addresses: &[Mailbox]) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}

const MAILBOXES: &str = "#TYPE Selected.Microsoft.Exchange.Data.Directory.Management.Mailbox\r\n\
    \"DisplayName\",\"PrimarySmtpAddress\",\"EmailAddresses\",\"RecipientTypeDetails\",\
    \"LegacyExchangeDN\",\"HiddenFromAddressListsEnabled\",\"ForwardingSmtpAddress\",\
    \"MailTip\"\r\n\
    \"Müller, Ann\",\"Ann@example.org\",\"SMTP:Ann@example.org; smtp:a.m@example.org;\
    X500:/o=Org (Old)/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn=ann;\
    SIP:ann@example.org\",\"UserMailbox\",\"/o=Org/cn=ann\",\"False\",\"smtp:x@y.example\",\
    \"On leave\r\nuntil May\"\r\n\
    \"Room 1\",\"room1@example.org\",\"SMTP:room1@example.org\",\"RoomMailbox\",\"/o=Org/cn=r1\",\
    \"True\",\"\",\"\"\r\n";

#[test]
fn mailboxes_of_exchange_come_as_they_are_exported() {
    let records = good(MAILBOXES);
    assert_eq!(records.len(), 2);
    let ann = &records[0];
    assert_eq!(ann.address.to_string(), "Ann@example.org");
    assert_eq!(texts(&ann.aliases), ["a.m@example.org"]);
    assert_eq!(
        ann.x500,
        [
            "/o=Org (Old)/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn=ann",
            "/o=Org/cn=ann",
        ]
    );
    assert_eq!(
        (ann.name.as_str(), ann.kind),
        ("Müller, Ann", Some(EntryKind::Mailbox))
    );
    assert_eq!((ann.hidden, ann.home.clone()), (Some(false), None));
    // Where a mailbox passes its mail on is the platform's affair.
    assert_eq!((&ann.delivery_address, &ann.second_address), (&None, &None));
    assert_eq!(records[1].kind, Some(EntryKind::Resource));
    assert_eq!(records[1].hidden, Some(true));
}

#[test]
fn recipients_of_exchange_have_their_types_and_targets() {
    let text = "Name,PrimarySmtpAddress,EmailAddresses,RecipientTypeDetails,ExternalEmailAddress\n\
        ann,ann@example.org,\"smtp:a@example.org SMTP:ann@example.org\",MailUser,\
        SMTP:ann@tenant.example\n\
        eve,eve@example.org,\"SMTP:eve@example.org, smtp:e@example.org\",RemoteUserMailbox,\n\
        out,out@else.example,SMTP:out@else.example,MailContact,SMTP:out@else.example\n\
        all,all@example.org,SMTP:all@example.org,MailUniversalDistributionGroup,\n";
    let records = good(text);
    let kinds: Vec<_> = records.iter().map(|one| one.kind.unwrap()).collect();
    let expected = [
        EntryKind::User,
        EntryKind::User,
        EntryKind::Contact,
        EntryKind::Group,
    ];
    assert_eq!(kinds, expected);
    let target = records[0].delivery_address.as_ref().unwrap();
    assert_eq!(target.to_string(), "ann@tenant.example");
    assert_eq!(texts(&records[0].aliases), ["a@example.org"]);
    assert_eq!(texts(&records[1].aliases), ["e@example.org"]);
    assert_eq!(records[2].delivery_address, None);
    assert_eq!(records[0].name, "ann");
}

#[test]
fn exports_come_in_the_encodings_of_powershell() {
    let utf8 = [&b"\xef\xbb\xbf"[..], MAILBOXES.as_bytes()].concat();
    assert_eq!(read(&utf8).0, good(MAILBOXES));
    let units: Vec<u16> = "\u{feff}"
        .encode_utf16()
        .chain(MAILBOXES.encode_utf16())
        .collect();
    let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    for bytes in [little, big] {
        let (records, errors) = read(&bytes);
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(records, good(MAILBOXES));
        // Half a character at the end: the file was cut off.
        let (_, errors) = read(&bytes[..bytes.len() - 1]);
        assert!(errors[0].contains("cannot be read"), "{errors:?}");
    }
}

#[test]
fn users_of_google_come_as_they_are_exported() {
    let text = "First Name [Required],Last Name [Required],Email Address [Required],\
        Password [Required],Org Unit Path [Required],Status [READ ONLY],Recovery Email,\
        Home Secondary Email,Work Address,Email Aliases\n\
        Ann,Archer,ann@example.org,****,/,Active,ann@home.example,a@else.example,\
        \"1 Road\nTown\",a@example.org;ann.a@example.org\n\
        Bob,Baker,bob@example.org,****,/Sales,Suspended,,bob@home.example,,\n";
    let records = good(text);
    assert_eq!(records.len(), 2);
    assert_eq!(records[0].name, "Ann Archer");
    assert_eq!(
        texts(&records[0].aliases),
        ["a@example.org", "ann.a@example.org"]
    );
    let second = |record: &Record| record.second_address.as_ref().unwrap().to_string();
    assert_eq!(second(&records[0]), "ann@home.example");
    assert_eq!(second(&records[1]), "bob@home.example");
}

#[test]
fn what_is_wrong_in_an_export_is_told_with_line_and_column() {
    let header = "PrimarySmtpAddress,EmailAddresses,RecipientTypeDetails\n";
    let list = "ann@example.org,Microsoft.Exchange.Data.ProxyAddressCollection,UserMailbox\n";
    let (records, errors) = read(format!("{header}{list}").as_bytes());
    assert!(records.is_empty());
    assert!(
        errors[0].starts_with("line 2: EmailAddresses: \"Microsoft.Exchange"),
        "{errors:?}"
    );
    assert!(errors[0].contains("-join ';'"), "{errors:?}");
    for (row, expected) in [
        (
            ",SMTP:a@example.org,UserMailbox",
            "line 2: PrimarySmtpAddress: is empty",
        ),
        (
            "a,SMTP:a@example.org,UserMailbox",
            "line 2: PrimarySmtpAddress: \"a\"",
        ),
        (
            "a@example.org,SMTP:a,UserMailbox",
            "line 2: EmailAddresses: \"a\"",
        ),
        (
            "a@example.org,,Moon",
            "line 2: RecipientTypeDetails: \"Moon\"",
        ),
        ("a@example.org", "line 2: 1 fields, expected 3"),
    ] {
        let (records, errors) = read(format!("{header}{row}\n").as_bytes());
        assert!(records.is_empty(), "{row}");
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].starts_with(expected), "{errors:?}");
    }
}

#[test]
fn values_are_told_apart_however_they_are_joined() {
    for text in [
        "SMTP:a@x.example;X500:/o=A B, C/cn=d;smtp:b@x.example",
        "SMTP:a@x.example, X500:/o=A B, C/cn=d, smtp:b@x.example",
        "SMTP:a@x.example X500:/o=A B, C/cn=d smtp:b@x.example",
        "SMTP:a@x.example\nX500:/o=A B, C/cn=d\nsmtp:b@x.example",
    ] {
        let expected = [
            ("SMTP", "a@x.example"),
            ("X500", "/o=A B, C/cn=d"),
            ("smtp", "b@x.example"),
        ];
        assert_eq!(prefixed(text), expected, "{text}");
    }
    assert!(prefixed("System.Collections.ArrayList").is_empty());
}
