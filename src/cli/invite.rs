//! `user invite`: one link, or many, to be given, mailed or printed.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::intent::{Format, Request};
use super::render::Page;
use super::{Asker, Exit, Failure, print, show};
use crate::admin::{AddressQuery, Invitation, InviteQuery, InvitedView, MailTo};
use crate::terminal::{Table, Tone, moment, visible};
use crate::webmail::{Slip, sheet_page, sheet_text};

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct InviteArgs {
    /// The users' addresses
    #[arg(value_name = "ADDRESS")]
    addresses: Vec<String>,
    /// All who have a mailbox and no account yet
    #[arg(long)]
    all_missing: bool,
    /// With --all-missing: those of this domain
    #[arg(long, value_name = "DOMAIN", requires = "all_missing")]
    domain: Option<String>,
    /// With --all-missing: also who was invited and has not come; earlier invitations end
    #[arg(long, requires = "all_missing")]
    again: bool,
    /// Send each link by mail, to the second address that the directory names, or to the first
    #[arg(long, value_name = "WHERE", num_args = 0..=1, default_missing_value = "second")]
    mail: Option<Where>,
    /// Write the invitations to a new file to be printed: .html a page, else plain text
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Where {
    First,
    Second,
}

impl InviteArgs {
    /// One link that is shown, as scripts know it.
    pub(super) fn is_plain(&self) -> bool {
        let is_one = self.addresses.len() == 1 && !self.all_missing;
        is_one && self.mail.is_none() && self.sheet.is_none()
    }

    /// What the server is asked.
    pub(super) fn request(&self) -> Request {
        if let ([address], true) = (self.addresses.as_slice(), self.is_plain()) {
            let address = address.clone();
            return Request::post("/api/users/invite", &AddressQuery { address });
        }
        let query = InviteQuery {
            addresses: self.addresses.clone(),
            all_missing: self.all_missing,
            domain: self.domain.clone(),
            again: self.again,
            mail: self.mail.map(|to| match to {
                Where::First => MailTo::First,
                Where::Second => MailTo::Second,
            }),
        };
        Request::post("/api/users/invitations", &query)
    }
}

impl Asker {
    /// Asks for invitations, and writes them where they are wanted.
    pub(super) async fn invite_many(
        &self,
        args: &InviteArgs,
        request: Request,
    ) -> Result<(), Failure> {
        // Links that were made and could not be written would be lost: the file comes first.
        let file = args.sheet.as_deref().map(new_file).transpose()?;
        let answer = self.client.ask_patiently(request).await;
        if let (Err(_), Some(path)) = (&answer, &args.sheet) {
            // It is empty, and in the way of the next try.
            std::fs::remove_file(path).ok();
        }
        let answer: serde_json::Value = answer?;
        let read = serde_json::from_value::<InvitedView>(answer.clone());
        let view = read.map_err(|error| Failure::new(Exit::Failed, error))?;
        if let (Some(mut file), Some(path)) = (file, &args.sheet) {
            let sheet = self.page.slips(path, &view)?;
            let written = file
                .write_all(sheet.as_bytes())
                .and_then(|()| file.sync_all());
            written.map_err(|error| unwritten(path, &error))?;
        }
        match self.format {
            Format::Json => print(&format!("{answer:#}\n"))?,
            Format::Text => show(&self.page.invitations(&view, args.sheet.as_deref()))?,
        }
        nobody(&view)
    }
}

/// Nobody was invited of those who should have been.
fn nobody(view: &InvitedView) -> Result<(), Failure> {
    if view.invitations.is_empty() && !view.left_out.is_empty() {
        return Err(Failure::new(Exit::Failed, "nobody was invited"));
    }
    Ok(())
}

/// For nobody but its owner: who reads it can set the passwords.
fn new_file(path: &Path) -> Result<std::fs::File, Failure> {
    let opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    opened.map_err(|error| unwritten(path, &error))
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Exit::Failed,
        format!("{}: {error}; name a new file", path.display()),
    )
}

impl Page {
    fn slips(self, path: &Path, view: &InvitedView) -> Result<String, Failure> {
        let slips = view.invitations.iter().map(|one| Slip {
            name: one.name.clone(),
            address: one.address.clone(),
            link: one.link.clone(),
            code: one.code.clone(),
            until: moment(one.expires, self.now),
        });
        let slips: Vec<Slip> = slips.collect();
        let is_page = path.extension().is_some_and(|end| end == "html");
        if is_page {
            sheet_page(&slips).map_err(|error| Failure::new(Exit::Failed, error))
        } else {
            Ok(sheet_text(&slips))
        }
    }

    /// The code and the link of one of several, whole.
    fn ways_in(self, one: &Invitation) -> String {
        let code = match one.code.as_str() {
            // A server of before has none.
            "" => String::new(),
            code => format!("  {}\n", visible(code)),
        };
        let link = self.palette.paint(Tone::Strong, &visible(&one.link));
        format!("\n{}\n{code}  {link}\n", visible(&one.address))
    }

    /// `user invite` of several.
    fn invitations(self, view: &InvitedView, sheet: Option<&Path>) -> String {
        let mut text = String::new();
        let mut table = Table::new(&["ADDRESS", "WHERE", "UNTIL"], &[0, 1]);
        // A table cuts what is too wide, and half a link is none.
        let mut whole = String::new();
        for one in &view.invitations {
            let way = match (&one.mailed_to, sheet) {
                (Some(to), _) => format!("mailed to {to}"),
                (None, Some(_)) => "on the sheet".to_owned(),
                (None, None) => {
                    whole.push_str(&self.ways_in(one));
                    "below".to_owned()
                }
            };
            table.row([
                one.address.as_str().into(),
                way.into(),
                moment(one.expires, self.now).into(),
            ]);
        }
        if !view.invitations.is_empty() {
            text.push_str(&table.render(self.palette));
        }
        text.push_str(&whole);
        for one in &view.left_out {
            text.push_str(&Self::paragraph(&format!("{}: {}", one.address, one.why)));
        }
        let count = view.invitations.len();
        let mut told = format!("{count} invited, {} to look after", view.left_out.len());
        if let Some(sheet) = sheet {
            told += "; print and hand out ";
            told += &visible(&sheet.display().to_string());
            told += ", then delete it: who reads it can set the passwords";
        }
        text.push_str(&Self::paragraph(&told));
        text
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::args::{Arguments, UserVerb, Verb};
    use super::*;
    use crate::admin::LeftOut;
    use crate::base::Timestamp;
    use crate::terminal::Palette;

    fn args(line: &str) -> InviteArgs {
        let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
        let Verb::User(UserVerb::Invite(args)) = arguments.verb else {
            panic!("{line} invites nobody");
        };
        args
    }

    #[test]
    fn one_or_many_are_asked_for() {
        let one = args("tideover user invite ann@example.org");
        assert_eq!(one.request().path, "/api/users/invite");
        for (line, mail) in [
            ("tideover user invite a@x b@x", None),
            ("tideover user invite a@x --mail", Some(MailTo::Second)),
            (
                "tideover user invite --all-missing --mail first",
                Some(MailTo::First),
            ),
            ("tideover user invite --all-missing --sheet s.html", None),
        ] {
            let request = args(line).request();
            assert_eq!(request.path, "/api/users/invitations", "{line}");
            let query: InviteQuery = serde_json::from_str(&request.body.unwrap()).unwrap();
            assert_eq!(query.mail, mail, "{line}");
            assert_eq!(query.all_missing, line.contains("all-missing"));
        }
        let alone = "tideover user invite --domain example.org";
        assert!(Arguments::try_parse_from(alone.split(' ')).is_err());
    }

    #[test]
    fn sheets_are_for_their_owner_and_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sheet.html");
        let file = new_file(&path).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        assert!(new_file(&path).is_err());
        let page = Page {
            palette: Palette::Plain,
            now: Timestamp::EPOCH,
        };
        let mut view = InvitedView {
            invitations: vec![Invitation {
                address: "ann@example.org".to_owned(),
                link: "http://x/invite/abc".to_owned(),
                expires: Timestamp::EPOCH,
                was_disabled: false,
                code: "ABCD-EFGH".to_owned(),
                name: "Ann".to_owned(),
                mailed_to: None,
            }],
            left_out: vec![LeftOut {
                address: "bob@example.org".to_owned(),
                why: "no second address".to_owned(),
            }],
        };
        assert!(page.slips(&path, &view).unwrap().contains("<svg"));
        assert!(
            page.slips(Path::new("a.txt"), &view)
                .unwrap()
                .contains("    ABCD-EFGH\n")
        );
        let told = page.invitations(&view, Some(&path));
        assert!(
            told.contains("bob@example.org: no second address"),
            "{told}"
        );
        assert!(told.contains("1 invited, 1 to look after") && !told.contains("invite/abc"));
        // Links are longer than a column may be, and are shown whole.
        let link = format!("https://webmail.example.org/invite/{}", "x".repeat(64));
        view.invitations[0].link.clone_from(&link);
        let told = page.invitations(&view, None);
        assert!(
            told.contains(&format!("ann@example.org\n  ABCD-EFGH\n  {link}\n")),
            "{told}"
        );
        assert!(nobody(&view).is_ok());
        view.invitations.clear();
        assert!(nobody(&view).is_err());
        view.left_out.clear();
        assert!(nobody(&view).is_ok(), "nobody was missing");
    }
}
