//! All devices, shared, and kept as facts of the log: they outlive the process. What they do is
//! counted in memory, and written now and then: never a record for each message.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, LockResult, Mutex, MutexGuard, PoisonError};

use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

use super::places::Places;
use super::usage::Urgency;
use super::wish::plain_name;
use super::{Device, DeviceView, DeviceWish, Refused, Renewal, Usage, Way};
use crate::base::{Clock, Entropy, Shutdown, Timestamp};
use crate::credential::{Passwords, Throttle};
use crate::limits;
use crate::smtp::{Reply, ReversePath};
use crate::spool::{Spool, SpoolError};

/// The room under which the facts stand in the log.
const ROOM: &str = "device";
/// Devices; the name follows.
const DEVICE: &str = "device/";
/// What they did; the name follows.
const USAGE: &str = "usage/";

/// Why a device was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// What was wanted cannot be.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// There is no such device.
    #[error("there is no device {0:?}")]
    Unknown(String),
    /// It could not be written or read.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// It is not known yet which devices there are: the index is being made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotYet;

/// What is done with a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// It becomes true.
    Really,
    /// It is only looked at.
    Look,
}

/// Does a listener take logins?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logins {
    /// One does.
    Taken,
    /// None does, so that no device can log in.
    Nowhere,
}

/// What is remembered of a device.
#[derive(Debug, Clone, Default)]
struct Memory {
    now: Usage,
    /// As it stands in the log.
    written: Usage,
}

#[derive(Debug, Default)]
struct State {
    devices: BTreeMap<String, Arc<Device>>,
    memories: BTreeMap<String, Memory>,
    /// Which of them is where; made anew with each change.
    places: Places,
}

/// The devices; cheap to clone.
#[derive(Clone)]
pub struct Devices(Arc<Inner>);

struct Inner {
    spool: Spool,
    clock: Clock,
    entropy: Entropy,
    logins: Logins,
    passwords: OnceCell<Passwords>,
    throttle: Mutex<Throttle>,
    /// `None` until the log was read.
    state: Mutex<Option<State>>,
    /// One change at a time.
    changing: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Devices {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.state().as_ref().map(|state| state.devices.len());
        out.debug_tuple("Devices").field(&known).finish()
    }
}

impl Devices {
    /// Nothing is known before [`Self::restore`].
    #[must_use]
    pub fn new(spool: Spool, (clock, entropy): (Clock, Entropy), logins: Logins) -> Self {
        Self(Arc::new(Inner {
            spool,
            clock,
            entropy,
            logins,
            passwords: OnceCell::new(),
            throttle: Mutex::new(Throttle::default()),
            state: Mutex::new(None),
            changing: tokio::sync::Mutex::new(()),
        }))
    }

    /// Reads what the log says.
    ///
    /// # Errors
    /// When the index fails, or is being made.
    pub fn restore(&self) -> Result<(), SpoolError> {
        let devices: BTreeMap<String, Device> = read(&self.0.spool, DEVICE)?;
        let usages: BTreeMap<String, Usage> = read(&self.0.spool, USAGE)?;
        let with_memory = |(name, usage): (String, Usage)| {
            let memory = Memory {
                now: usage.clone(),
                written: usage,
            };
            (name, memory)
        };
        let devices = devices.into_iter();
        let mut state = State {
            devices: devices.map(|(name, it)| (name, Arc::new(it))).collect(),
            memories: usages.into_iter().map(with_memory).collect(),
            places: Places::default(),
        };
        state.place();
        *self.state() = Some(state);
        Ok(())
    }

    /// The device that comes from this address: the one that names it most exactly.
    ///
    /// # Errors
    /// [`NotYet`].
    pub fn at(&self, address: IpAddr) -> Result<Option<Arc<Device>>, NotYet> {
        let state = self.state();
        let state = state.as_ref().ok_or(NotYet)?;
        Ok(state.places.at(address).cloned())
    }

    /// Is it still what it was when its connection began?
    #[must_use]
    pub fn is_current(&self, device: &Arc<Device>) -> bool {
        let state = self.state();
        let known = state.as_ref().and_then(|it| it.devices.get(&device.name));
        known.is_some_and(|known| Arc::ptr_eq(known, device))
    }

    /// Does any of them log in? While nobody knows: perhaps.
    #[must_use]
    pub fn log_in(&self) -> bool {
        let state = self.state();
        let any = |state: &State| state.devices.values().any(|it| it.way == Way::Login);
        state.as_ref().is_none_or(any)
    }

    /// All, by name.
    ///
    /// # Errors
    /// While the index is made.
    pub fn list(&self) -> Result<Vec<DeviceView>, SpoolError> {
        let now = self.0.clock.now();
        self.known(|state| {
            let devices = state.devices.values();
            devices.map(|device| state.view(device, now)).collect()
        })
    }

    /// One of them.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn show(&self, name: &str) -> Result<DeviceView, DeviceError> {
        let device = self.find(name)?;
        let now = self.0.clock.now();
        Ok(self.known(|state| state.view(&device, now))?)
    }

    /// Makes a device, in the name of `by`, and its password if it logs in; `is_ours` knows the
    /// domains of ours by their keys.
    ///
    /// # Errors
    /// [`DeviceError`]; nothing was made then.
    pub async fn add(
        &self,
        (wish, by): (DeviceWish, &str),
        is_ours: &(dyn Fn(&str) -> bool + Sync),
        doing: Doing,
    ) -> Result<(DeviceView, Option<String>), DeviceError> {
        let _changing = self.0.changing.lock().await;
        let now = self.0.clock.now();
        let others = self.known(|state| state.devices.values().cloned().collect::<Vec<_>>())?;
        let mut device = wish.check((by, now), &others, is_ours)?;
        if device.way == Way::Login && self.0.logins == Logins::Nowhere {
            return Err(DeviceError::Refused(Refused {
                what: "no listener takes logins, so no device can log in".to_owned(),
                hint: "add a [[listener]] with role = \"submission\", or auth = true to one with \
                       role = \"mx\": docs/devices.md",
            }));
        }
        let view = DeviceView::new(&device, &Usage::default(), now);
        let mut password = None;
        if doing == Doing::Really {
            if device.way == Way::Login {
                let (word, hash) = self.new_password().await?;
                (password, device.password) = (Some(word), Some(hash));
            }
            self.keep(device).await?;
        }
        Ok((view, password))
    }

    /// Another password; the one until now is dead.
    ///
    /// # Errors
    /// [`DeviceError`]; nothing was changed then.
    pub async fn change_password(&self, name: &str) -> Result<(DeviceView, String), DeviceError> {
        let _changing = self.0.changing.lock().await;
        let mut device = Device::clone(&*self.find(name)?);
        if device.way != Way::Login {
            return Err(DeviceError::Refused(Refused {
                what: format!(
                    "{} has no password: it is known by its address",
                    device.name
                ),
                hint: "end it, and add it again with --login yes",
            }));
        }
        let (password, hash) = self.new_password().await?;
        device.password = Some(hash);
        let name = device.name.clone();
        self.keep(device).await?;
        Ok((self.show(&name)?, password))
    }

    /// Another day on which it ends, another number a day; what is not said stays.
    ///
    /// # Errors
    /// [`DeviceError`]; nothing was changed then.
    pub async fn renew(&self, name: &str, to: Renewal) -> Result<DeviceView, DeviceError> {
        let _changing = self.0.changing.lock().await;
        let mut device = Device::clone(&*self.find(name)?);
        let renewal = Renewal {
            expires: to.expires.or(device.expires),
            daily_recipients: to.daily_recipients.or(device.daily_recipients),
        };
        renewal.check(device.way, self.0.clock.now())?;
        device.expires = renewal.expires;
        device.daily_recipients = renewal.daily_recipients;
        let name = device.name.clone();
        self.keep(device).await?;
        self.show(&name)
    }

    /// It is no device any more.
    ///
    /// # Errors
    /// [`DeviceError`]; it is one then.
    pub async fn end(&self, name: &str) -> Result<DeviceView, DeviceError> {
        let _changing = self.0.changing.lock().await;
        let view = self.show(name)?;
        let spool = &self.0.spool;
        let key = |prefix: &str| format!("{prefix}{}", view.name);
        spool.put_fact(ROOM, &key(DEVICE), None).await?;
        if let Some(state) = self.state().as_mut() {
            state.devices.remove(&view.name);
            state.memories.remove(&view.name);
            state.place();
        }
        // Should this one fail, a device of the same name begins with a day that is half used.
        spool.put_fact(ROOM, &key(USAGE), None).await?;
        Ok(view)
    }

    /// Has it room for so many more recipients in a message that has `taken` already?
    ///
    /// # Errors
    /// The reply that says when it will have.
    pub fn afford(&self, device: &Device, taken: usize) -> Result<(), Reply> {
        let now = self.0.clock.now();
        let today = self.remembered(&device.name, |memory| memory.now.today(now));
        device.afford(taken + 1, today.unwrap_or_default())
    }

    /// Takes so many recipients off its day.
    ///
    /// # Errors
    /// The reply that says when it will have room again; nothing is taken off then.
    pub fn spend(&self, device: &Device, recipients: usize) -> Result<(), Reply> {
        let now = self.0.clock.now();
        let spent = self.remembered(&device.name, |memory| {
            device.afford(recipients, memory.now.today(now))?;
            memory.now.spend(recipients as u64, now);
            Ok(())
        });
        spent.unwrap_or(Ok(()))
    }

    /// The message was not taken after all.
    pub fn refund(&self, device: &Device, recipients: usize) {
        let now = self.0.clock.now();
        self.remembered(&device.name, |memory| {
            memory.now.refund(recipients as u64, now);
        });
    }

    /// A message of it was taken. What a crash must not forget is on the disk when this returns.
    pub async fn sent(&self, device: &Device, from: &ReversePath) {
        let now = self.0.clock.now();
        let urgency = self.remembered(&device.name, |memory| {
            memory.now.seen = Some(now);
            memory.now.sender = Some(cut(&from.to_string()));
            memory.now.urgency(&memory.written, device.daily_recipients)
        });
        if urgency == Some(Urgency::Now) {
            self.write(&device.name).await;
        }
    }

    /// It was refused something.
    pub fn refused(&self, device: &Device, reply: &Reply) {
        let now = self.0.clock.now();
        self.remembered(&device.name, |memory| {
            memory.now.refused = Some((now, cut(&reply.to_string())));
        });
    }

    /// Writes now and then what devices did, and at the stop.
    pub async fn keep_usage(self, shutdown: Shutdown) {
        loop {
            tokio::select! {
                biased;
                () = shutdown.stopping() => break,
                () = tokio::time::sleep(limits::DEVICE_USAGE_WRITTEN) => {}
            }
            self.write_all().await;
        }
        self.write_all().await;
    }

    async fn write_all(&self) {
        let changed = self.known(|state| {
            let memories = state.memories.iter();
            let changed = memories.filter(|(_, it)| it.now != it.written);
            changed.map(|(name, _)| name.clone()).collect::<Vec<_>>()
        });
        for name in changed.unwrap_or_default() {
            self.write(&name).await;
        }
    }

    async fn write(&self, name: &str) {
        let Some(usage) = self.remembered(name, |memory| memory.now.clone()) else {
            return;
        };
        let Ok(value) = serde_json::to_value(&usage) else {
            return;
        };
        let key = format!("{USAGE}{name}");
        match self.0.spool.put_fact(ROOM, &key, Some(value)).await {
            Ok(()) => {
                self.remembered(name, |memory| memory.written = usage);
            }
            Err(error) => {
                tracing::error!(device = name, %error, "what a device sent is not noted");
            }
        }
    }

    async fn keep(&self, device: Device) -> Result<(), SpoolError> {
        let value = serde_json::to_value(&device);
        let value = value.map_err(|error| SpoolError::Damaged(error.to_string()))?;
        let key = format!("{DEVICE}{}", device.name);
        self.0.spool.put_fact(ROOM, &key, Some(value)).await?;
        if let Some(state) = self.state().as_mut() {
            state.devices.insert(device.name.clone(), Arc::new(device));
            state.place();
        }
        Ok(())
    }

    pub(super) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    pub(super) fn entropy(&self) -> &Entropy {
        &self.0.entropy
    }

    pub(super) fn cell(&self) -> &OnceCell<Passwords> {
        &self.0.passwords
    }

    pub(super) fn throttle(&self) -> LockResult<MutexGuard<'_, Throttle>> {
        self.0.throttle.lock()
    }

    /// The device of exactly this name.
    pub(super) fn named(&self, name: &str) -> Result<Option<Arc<Device>>, SpoolError> {
        self.known(|state| state.devices.get(name).cloned())
    }

    fn find(&self, name: &str) -> Result<Arc<Device>, DeviceError> {
        let unknown = || DeviceError::Unknown(name.to_owned());
        let plain = plain_name(name).map_err(|_| unknown())?;
        let found = self.known(|state| state.devices.get(&plain).cloned())?;
        found.ok_or_else(unknown)
    }

    /// What is remembered of a device that there is.
    fn remembered<T>(&self, name: &str, change: impl FnOnce(&mut Memory) -> T) -> Option<T> {
        let mut state = self.state();
        let state = state.as_mut()?;
        state.devices.get(name)?;
        let memory = state.memories.entry(name.to_owned()).or_default();
        Some(change(memory))
    }

    fn known<T>(&self, look: impl FnOnce(&State) -> T) -> Result<T, SpoolError> {
        let state = self.state();
        match (state.as_ref(), self.0.spool.rebuilding()) {
            (Some(state), _) => Ok(look(state)),
            (None, Some(progress)) => Err(SpoolError::Rebuilding(progress.to_string())),
            (None, None) => Err(SpoolError::Index("the devices were not read".to_owned())),
        }
    }

    fn state(&self) -> MutexGuard<'_, Option<State>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn place(&mut self) {
        self.places = Places::of(self.devices.values());
    }

    fn view(&self, device: &Device, now: Timestamp) -> DeviceView {
        let memory = self.memories.get(&device.name);
        let usage = memory.map(|memory| memory.now.clone()).unwrap_or_default();
        DeviceView::new(device, &usage, now)
    }
}

/// Strangers say what they like, and the fact has a size.
fn cut(text: &str) -> String {
    text.chars().take(limits::DEVICE_TEXT).collect()
}

/// All facts behind a prefix; those that cannot be read are left out, and said in the log.
fn read<T: DeserializeOwned>(
    spool: &Spool,
    prefix: &str,
) -> Result<BTreeMap<String, T>, SpoolError> {
    let mut found = BTreeMap::new();
    for (key, value) in spool.facts(ROOM, prefix)? {
        let Some(name) = key.strip_prefix(prefix) else {
            continue;
        };
        match serde_json::from_value(value) {
            Ok(value) => {
                found.insert(name.to_owned(), value);
            }
            Err(error) => tracing::error!(%key, %error, "what a device may cannot be read"),
        }
    }
    Ok(found)
}
