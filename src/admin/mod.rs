//! The operators' door: an HTTP API as JSON.
//!
//! What there is to ask, and who may, stands in `table`. The whole API is served over a unix socket
//! that only its owner may open: the verbs of the command line use it. Over TCP (`[admin] bind`)
//! `/health` and `/metrics` are open, and the rest is for who has a token or a session (`door`).
//! Each change stands in the `audit` log.

mod accounts;
mod activation_api;
mod api;
mod attention;
mod audit;
mod automatic_api;
mod caller;
mod case_numbers;
mod cases_api;
mod certificates;
mod certificates_api;
mod check_api;
mod conditions;
mod config_api;
mod console;
mod device_api;
mod directory_api;
mod directory_import;
mod directory_past;
mod directory_people;
mod document;
mod door;
mod drill_api;
mod enforce;
mod error;
mod extract;
mod filters;
mod health;
mod hold_api;
mod invitation_api;
mod key_api;
mod known;
mod landing_api;
mod limit;
mod load;
mod lookup;
mod media;
mod move_api;
mod nearly;
mod noted;
mod notify_api;
mod operation;
mod operators;
mod override_api;
mod present;
mod queue_api;
mod queue_list;
mod reason;
mod rehearsal_api;
mod replay_api;
mod replay_query;
mod report_api;
mod sending;
mod serve;
mod settlement;
mod spool_api;
mod storage;
mod sync_api;
mod table;
mod taken;
mod tls_api;
mod tls_wish;
mod verified_api;
mod view;
mod wave_api;
mod wave_run;
mod writeback_api;
mod x500_api;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::acme::Acme;
use crate::activation::Activation;
use crate::auth::KeyFolder;
use crate::automatic::Policy;
use crate::backend::BackendOptions;
use crate::base::{Boxed, Clock, Entropy};
use crate::device::Devices;
use crate::directory::{Generations, Syncer, Waves};
use crate::drill::Drills;
use crate::filter::Filters;
use crate::inbound::Load;
use crate::net::{ClientAuthorities, TlsServer};
use crate::notice::Notices;
use crate::outbound::Outbound;
use crate::queue::Queue;
use crate::queue::landing::Landings;
use crate::queue::replay::Replays;
use crate::route::Router;
use crate::spool::Spool;
use crate::telemetry::Metrics;
use crate::writeback::Writebacks;

pub use accounts::{
    Account, AccountAdmin, AccountRefused, AccountState, Coverage, Covered, Invitation, Presence,
};
pub(crate) use activation_api::SettingQuery;
pub(crate) use api::AddressQuery;
pub use api::{api, operators};
pub use attention::AttentionView;
pub use audit::{
    Arguments, AuditEntry, AuditLog, AuditOptions, AuditOutcome, AuditPage, ReasonRule,
};
pub use automatic_api::{
    AutomaticJudged, AutomaticOnWay, AutomaticRequest, AutomaticRule, AutomaticView,
};
pub(crate) use caller::ACTOR;
pub use caller::{Caller, NoSuchRole, Role};
pub use case_numbers::CaseNumbers;
pub(crate) use cases_api::CaseOrder;
pub use cases_api::{CaseDetails, CaseMemberView, CaseReleased, CaseView};
pub use certificates::{CertificateTrouble, Served};
pub use certificates_api::{AuthoritiesView, CertificatesView, RevocationView, ShownView};
pub use check_api::{CheckCertificate, CheckDepth, CheckDns, CheckFilter, CheckProblem, CheckView};
pub(crate) use config_api::ReloadQuery;
pub use config_api::{
    ConfigChange, ConfigKey, ConfigOnDisk, ConfigOrigin, ConfigSection, ConfigState, ConfigView,
};
pub use console::{Console, Csrf, Samples, assets, console, keep_samples};
pub use device_api::DeviceMade;
pub(crate) use device_api::{DeviceQuery, RenewQuery};
pub(crate) use directory_api::{ChangeQuery, SetQuery, SettleQuery};
pub use directory_api::{ChangeView, LookupView};
pub use directory_past::DiffView;
pub(crate) use directory_past::RevertQuery;
pub(crate) use directory_people::EntriesQuery;
pub use directory_people::{EntryState, EntryView};
pub use document::document;
pub use door::{DoorOptions, Peer, Wire, network};
pub use drill_api::{DrillView, RedDrill};
pub(crate) use enforce::REASON;
pub use error::{AdminError, Refusal};
pub use health::{HealthView, keep_metrics};
pub use hold_api::HoldView;
pub(crate) use hold_api::{EndQuery, HoldQuery};
pub use invitation_api::{InviteQuery, InvitedView, LeftOut, MailTo};
pub(crate) use key_api::KeyQuery;
pub use key_api::KeyView;
pub use landing_api::DismissedView;
pub(crate) use limit::Limit;
pub(crate) use lookup::TraceQuery;
pub(crate) use move_api::MoveQuery;
pub use move_api::{MoveReport, MoveView};
pub(crate) use operators::{AddQuery, RevokeQuery, RoleQuery, SessionQuery, TokenQuery};
pub use operators::{
    Enrolment, LoginOptions, MeView, NewToken, OperatorState, OperatorView, Operators,
    SecondStepRule, SessionView, TokenView,
};
pub(crate) use override_api::OverrideQuery;
pub(crate) use queue_api::{PerformQuery, SelectQuery, SelectView};
pub(crate) use queue_list::QueueQuery;
pub use rehearsal_api::RehearsalView;
pub(crate) use replay_api::ReplayDeedQuery;
pub use replay_api::ReplayPlanView;
pub(crate) use report_api::AcknowledgeQuery;
pub use report_api::ReportView;
pub use sending::SendingTrouble;
pub use serve::{Doorway, serve, serve_network};
pub use spool_api::VerifyView;
pub(crate) use sync_api::SyncQuery;
pub use sync_api::{DirectoryStatusView, SyncView};
pub use tls_wish::TlsWish;
pub(crate) use verified_api::ForgetQuery;
pub use verified_api::{ForgetView, VerifiedView};
pub use view::{
    BackendDetails, BackendView, DecisionWord, DrainView, EventView, ExpandedView, ExplainView,
    HostView, IndexView, MessageView, PeerView, ProbeView, QueueItem, QueueNumbers, RecipientView,
    ReloadView, SizeView, SpoolNumbers, StatusView, TraceView,
};
pub(crate) use wave_api::WaveQuery;
pub use wave_api::{WaveDetails, WavePlanView, WaveUserView, WaveView};
pub use wave_run::keep_waves;
pub(crate) use writeback_api::WritebackQuery;
pub use x500_api::{X500SenderView, X500UseView, X500UsedView, X500View};

/// Name of the unix socket in `data_dir`.
pub const SOCKET: &str = "admin.sock";

/// The config: what runs, and reading it again.
pub trait Reload: Send + Sync + fmt::Debug {
    /// Takes over what the config file says now; with the mark of the file that was looked at,
    /// only that one. Nothing changes when it is refused.
    ///
    /// # Errors
    /// All that is wrong with it, as text for people.
    fn reload(&self, mark: Option<String>) -> Boxed<'_, Result<(), String>>;

    /// What runs, and what a reload would change; nothing is changed.
    ///
    /// # Errors
    /// When it could not be looked at.
    fn config(&self) -> Boxed<'_, Result<ConfigView, String>>;

    /// Checks the file as it is now, as `tideover check` does; nothing is changed.
    ///
    /// # Errors
    /// When it could not be looked at, or nobody could be asked.
    fn check(&self, depth: CheckDepth) -> Boxed<'_, Result<CheckView, String>>;

    /// What is done with automatic answers.
    fn policy(&self) -> Arc<Policy>;

    /// The keys with which our domains sign.
    fn keys(&self) -> KeyFolder;
}

/// What the handlers work on; made by `daemon`.
#[derive(Debug, Clone)]
pub struct Admin {
    /// The spool.
    pub spool: Spool,
    /// What waits.
    pub queue: Queue,
    /// How TLS with strangers went.
    pub outbound: Outbound,
    /// Who exists, and all earlier generations of it.
    pub directory: Generations,
    /// Users who change home together.
    pub waves: Waves,
    /// Probes that must come back.
    pub drills: Drills,
    /// Mail that is brought to a backend once more.
    pub replays: Replays,
    /// What users did in the webmail goes into their mailboxes.
    pub writebacks: Writebacks,
    /// Whether what was delivered is in the mailboxes.
    pub landings: Landings,
    /// Who is told of trouble; `None`: nobody ever.
    pub notices: Option<Notices>,
    /// Who looks at mail before it is taken; `None`: nobody ever.
    pub filters: Option<Filters>,
    /// Printers, scanners and applications that send mail.
    pub devices: Devices,
    /// How much there is to do at the front door.
    pub load: Load,
    /// The certificates that are shown to others.
    pub certificates: BTreeMap<Served, Arc<TlsServer>>,
    /// Who has certificates made for us; `None`: nobody.
    pub acme: Option<Acme>,
    /// From which certificates of clients come, of each listener that asks for them.
    pub client_authorities: Vec<Arc<ClientAuthorities>>,
    /// The sources that are synchronised.
    pub sync: Syncer,
    /// The routes, and the board of the backends with them.
    pub router: Router,
    /// What the config says of the backends now.
    pub backends: watch::Receiver<Arc<[BackendOptions]>>,
    /// `queue.attention_after` as the config has it now.
    pub attention_after: watch::Receiver<Duration>,
    /// Is the webmail served?
    pub webmail: bool,
    /// For whom it is open.
    pub activation: Activation,
    /// The webmail's accounts.
    pub accounts: Arc<dyn AccountAdmin>,
    /// The administrators.
    pub operators: Operators,
    /// What they have done.
    pub audit: AuditLog,
    /// The config.
    pub config: Arc<dyn Reload>,
    /// The metrics of the process.
    pub metrics: Metrics,
    /// The time.
    pub clock: Clock,
    /// Chance.
    pub entropy: Entropy,
}
