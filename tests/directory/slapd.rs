//! OpenLDAP with the attributes of Active Directory.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::process::Process;
use crate::wait::eventually;

pub(crate) const PASSWORD: &str = "only reads";
pub(crate) const READER: &str = "cn=reader,dc=example,dc=org";
const ADMIN: &str = "cn=admin,dc=example,dc=org";
/// More than fit into one page.
pub(crate) const CROWD: usize = 1_200;

pub(crate) struct Slapd {
    pub(crate) plain: SocketAddr,
    pub(crate) secure: SocketAddr,
    folder: tempfile::TempDir,
    process: Option<Process>,
}

impl Slapd {
    /// A server with people. It has a certificate for `localhost`.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        std::fs::create_dir(path.join("db")).unwrap();
        tideover::net::TlsServer::self_signed(path, "localhost").unwrap();
        std::fs::write(path.join("ad.schema"), SCHEMA).unwrap();
        std::fs::write(path.join("slapd.conf"), config(path)).unwrap();
        let mut add = Command::new("/usr/sbin/slapadd");
        add.arg("-q").arg("-f").arg(path.join("slapd.conf"));
        fed(add, &people());
        let [plain, secure] = free_ports();
        let mut server = Self {
            plain,
            secure,
            folder,
            process: None,
        };
        server.run();
        server
    }

    pub(crate) fn certificate(&self) -> std::path::PathBuf {
        self.folder.path().join("self-signed.crt")
    }

    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    pub(crate) fn run(&mut self) {
        let log = self.folder.path().join("log");
        let mut command = Command::new("/usr/sbin/slapd");
        command.args(["-d", "0", "-f"]);
        command.arg(self.folder.path().join("slapd.conf"));
        let urls = format!("ldap://{} ldaps://{}", self.plain, self.secure);
        command.args(["-h", &urls]);
        let mut process = Process::start(command, &log);
        eventually("slapd takes connections", || {
            process.assert_alive(&log);
            TcpStream::connect(self.plain)
                .and(TcpStream::connect(self.secure))
                .ok()
        });
        self.process = Some(process);
    }

    /// Changes entries, as LDIF says.
    pub(crate) fn modify(&self, ldif: &str) {
        let mut command = Command::new("/usr/bin/ldapmodify");
        command.args(["-x", "-D", ADMIN, "-w", "admin", "-H"]);
        command.arg(format!("ldap://{}", self.plain));
        fed(command, ldif);
    }
}

/// Runs a tool to its end with this input.
fn fed(mut command: Command, input: &str) {
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let child = command.spawn();
    let mut child = child.unwrap_or_else(|error| {
        panic!("{command:?}: {error}; `tests/run` names and installs the packages")
    });
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(input.as_bytes()).unwrap();
    drop(pipe);
    assert!(child.wait().unwrap().success(), "{command:?}");
}

/// Two at once, or they could be the same.
fn free_ports() -> [SocketAddr; 2] {
    let listeners = [0, 0].map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}

fn config(path: &Path) -> String {
    let path = path.display();
    format!(
        "include /etc/ldap/schema/core.schema\n\
         include {path}/ad.schema\n\
         modulepath /usr/lib/ldap\n\
         moduleload back_mdb\n\
         TLSCertificateFile {path}/self-signed.crt\n\
         TLSCertificateKeyFile {path}/self-signed.key\n\
         database mdb\n\
         suffix dc=example,dc=org\n\
         rootdn {ADMIN}\n\
         rootpw admin\n\
         directory {path}/db\n\
         access to attrs=userPassword by anonymous auth by * none\n\
         access to * by dn.exact={READER} read by * none\n\
         limits dn.exact={READER} size.soft=1000 size.hard=1000 size.prtotal=unlimited\n"
    )
}

const SCHEMA: &str = "\
attributetype ( 2.16.840.1.113730.3.1.241 NAME 'displayName'
  EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.2.210 NAME 'proxyAddresses'
  EQUALITY caseExactMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.2.840.113556.1.2.352 NAME 'targetAddress'
  EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.655 NAME 'legacyExchangeDN'
  EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.651 NAME 'otherMailbox'
  EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.2.840.113556.1.4.7000.102.73 NAME 'msExchHideFromAddressLists'
  EQUALITY booleanMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.7 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.7000.102.50 NAME 'msExchRecipientTypeDetails'
  EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.2 NAME 'objectGUID'
  EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE )
objectclass ( 1.2.840.113556.1.5.9 NAME 'user' SUP top STRUCTURAL MUST cn
  MAY ( mail $ displayName $ proxyAddresses $ targetAddress $ legacyExchangeDN $ otherMailbox
  $ msExchHideFromAddressLists $ msExchRecipientTypeDetails $ objectGUID $ userPassword ) )
objectclass ( 1.2.840.113556.1.5.8 NAME 'group' SUP top STRUCTURAL MUST cn
  MAY ( mail $ displayName $ proxyAddresses $ legacyExchangeDN $ member
  $ msExchRecipientTypeDetails $ objectGUID ) )
objectclass ( 1.2.840.113556.1.5.15 NAME 'contact' SUP top STRUCTURAL MUST cn
  MAY ( mail $ displayName $ proxyAddresses $ targetAddress $ msExchRecipientTypeDetails
  $ objectGUID ) )
";

fn people() -> String {
    let mut text = String::from(FOUNDATION);
    writeln!(text, "{}", reader()).unwrap();
    for number in 0..CROWD {
        writeln!(
            text,
            "dn: cn=p{number},ou=People,dc=example,dc=org\nobjectClass: user\ncn: p{number}\n\
             mail: p{number}@example.org\nproxyAddresses: SMTP:p{number}@example.org\n\
             proxyAddresses: smtp:x{number}@example.org\nmsExchRecipientTypeDetails: 1\n"
        )
        .unwrap();
    }
    text
}

fn reader() -> String {
    format!("dn: {READER}\nobjectClass: user\ncn: reader\nuserPassword: {PASSWORD}\n")
}

const FOUNDATION: &str = "\
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: ou=People,dc=example,dc=org
objectClass: organizationalUnit
ou: People

dn: ou=Elsewhere,dc=example,dc=org
objectClass: organizationalUnit
ou: Elsewhere

dn: cn=Ann Archer,ou=People,dc=example,dc=org
objectClass: user
cn: Ann Archer
displayName: Ann Archer
objectGUID:: AQIDBP/+AAECAwQFBgcICQ==
mail: ann@example.org
proxyAddresses: smtp:archer@example.org
proxyAddresses: SMTP:Ann@example.org
proxyAddresses: X500:/o=Old/ou=Site/cn=ann
proxyAddresses: smtp:not an address
legacyExchangeDN: /o=New/ou=Site/cn=ann
otherMailbox: ann@home.example
msExchHideFromAddressLists: TRUE
msExchRecipientTypeDetails: 1

dn: cn=Bob Baker,ou=People,dc=example,dc=org
objectClass: user
cn: Bob Baker
proxyAddresses: SMTP:bob@example.org
targetAddress: SMTP:bob@tenant.example
msExchRecipientTypeDetails: 2147483648

dn: cn=Printer,ou=People,dc=example,dc=org
objectClass: user
cn: Printer

dn: cn=Carla,ou=Elsewhere,dc=example,dc=org
objectClass: contact
cn: Carla
mail: carla@partner.example

dn: cn=Staff,ou=People,dc=example,dc=org
objectClass: group
cn: Staff
mail: staff@example.org
member: cn=Ann Archer,ou=People,dc=example,dc=org
member: cn=Carla,ou=Elsewhere,dc=example,dc=org
member: cn=Printer,ou=People,dc=example,dc=org

";
