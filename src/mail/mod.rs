//! What is carried, and what can become of it: identifiers, envelope, the states of a recipient,
//! outcomes of delivery, trace lines, reports.

mod addressees;
mod automatic;
mod boundaries;
pub mod calendar;
mod cause;
mod charset;
mod codepages;
mod content_line;
mod envelope;
mod filtered;
mod finality;
mod header;
mod header_fields;
mod held;
mod hold;
mod id;
mod joined;
mod landing;
mod letter;
mod likeness;
mod mark;
mod mime;
mod originators;
mod outcome;
mod paced;
mod replay;
mod replayed;
mod report;
mod sign;
mod state;
mod thread;
mod tls_required;
mod trace;
mod transport;
mod unsent;
mod verdict;
mod visit;
mod waiting;
mod zones;

pub use crate::base::{Boxed, TlsInfo};
pub use addressees::parse_addressees;
pub use automatic::{Automatic, AutomaticDeed, AutomaticKind, AutomaticRuling, AutomaticWay};
pub use cause::{Cause, Said, classify};
pub use envelope::{Authenticity, Envelope, ExpandedFrom, Peer, Recipient};
pub use filtered::{FILTER_FIELD, FilterVerdict, Filtered};
pub use finality::{FinalCause, NotPermanent};
pub use header::{decode_text, message_id};
pub use header_fields::{FieldPlace, WithoutFields, header_end, header_fields, read_header};
pub use hold::HoldReason;
pub use id::{BackendId, IdSource, InvalidId, NodeId, SpoolId};
pub use joined::{Base64Body, JoinedBody};
pub use landing::{FolderKind, Landing};
pub use letter::{
    Addressee, BASE64_LINE, Letter, LetterFile, address_field, base64_lines, one_line,
};
pub use likeness::{CaseId, CaseKey, CaseKind, NOT_SENT, NotACase, alike, told, wording};
pub use mark::{MARKS, Mark, MarkPlace};
pub use mime::{
    ParsedMessage, Part, Person, TextPart, file_name, html_to_text, is_message_id,
    seems_to_have_attachments,
};
pub use originators::originators;
pub(crate) use originators::{Token as OriginatorToken, entries as originator_entries};
pub use outcome::{Blame, Failure, Outcome};
pub use paced::{SenderBound, SenderPace, paced_by};
pub use replay::{ReplayMark, ReplayPhase, ReplayStep, ReplayedRecipient};
pub use report::{Report, ReportKind, ReportedRecipient, Returned};
pub use sign::{Sign, Signing};
pub use state::{IllegalTransition, RecipientEvent, RecipientState};
pub use thread::Ties;
pub use tls_required::says_tls_optional;
pub use trace::Trace;
pub use transport::{
    Body, BodySource, Channel, Delivery, DeliveryTarget, Handover, Transport, Unmarked,
};
pub use unsent::{
    DRAFTS, LetterTitle, OUTBOX, SENT_AS, StoredLetter, UnsentFile, UnsentLetter, sent_as_key,
};
pub use verdict::{AuthMethod, AuthResult, DmarcPolicy, MethodResult, Verdict};
pub use visit::{VISIT_FIELD, VisitKey, WithLine};
