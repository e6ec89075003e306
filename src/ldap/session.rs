//! One connection to a directory server, from the login to the last page.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use ldap3::adapters::PagedResults;
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, ResultEntry, Scope};

use super::reach::reach;
use super::{LdapError, LdapOptions, Object, Search};
use crate::limits;
use crate::net::{CertificateCheck, Resolve, TlsClient};

/// What is asked for of each object.
const ATTRIBUTES: [&str; 19] = [
    "objectClass",
    "objectGUID",
    "entryUUID",
    "proxyAddresses",
    "targetAddress",
    "legacyExchangeDN",
    "mail",
    "otherMailbox",
    "displayName",
    "cn",
    "member",
    "uniqueMember",
    "msExchHideFromAddressLists",
    "msExchRequireAuthToSendTo",
    "msExchRecipientTypeDetails",
    "msExchRecipientDisplayType",
    "msExchHomeServerName",
    "homeMDB",
    "groupType",
];
/// An object that is not there, or not for us (RFC 4511 §4.1.9).
const NO_SUCH_OBJECT: u32 = 32;

/// Who takes what is found.
pub trait Sink: Send {
    /// An object that a search found.
    fn found(&mut self, object: Object);

    /// Objects that no search found and that are needed all the same, by their names: asked for
    /// once, after the searches.
    fn needed(&self) -> Vec<String>;

    /// One of those; `None`: it is not there.
    fn needed_found(&mut self, dn: &str, object: Option<Object>);
}

/// A directory server that can be read.
#[derive(Debug, Clone)]
pub struct LdapServer {
    options: LdapOptions,
    tls: TlsClient,
    resolve: Arc<dyn Resolve>,
}

impl LdapServer {
    /// A server that is read as `options` say. Nothing is connected yet.
    #[must_use]
    pub const fn new(options: LdapOptions, tls: TlsClient, resolve: Arc<dyn Resolve>) -> Self {
        Self {
            options,
            tls,
            resolve,
        }
    }

    /// Reads all that the searches find. What `sink` got counts only when this ends well.
    ///
    /// # Errors
    /// When no server answers, or one breaks off in the middle.
    pub async fn read(&self, sink: &mut dyn Sink) -> Result<(), LdapError> {
        // The library panics when an answer is no LDAP. What it leaves behind is dropped whole.
        let read = AssertUnwindSafe(self.read_first(sink)).catch_unwind();
        read.await.unwrap_or(Err(LdapError::Odd))
    }

    async fn read_first(&self, sink: &mut dyn Sink) -> Result<(), LdapError> {
        let password = self.password()?;
        let mut last = None;
        for server in &self.options.servers {
            match self.connect(server).await {
                Err(error) => last = Some(error),
                Ok((connection, ldap)) => {
                    let work = self.work(ldap, (server, password.as_deref()), sink);
                    return driven(connection, work).await;
                }
            }
        }
        Err(last.unwrap_or_else(|| LdapError::Unreachable {
            server: "no server".to_owned(),
            why: "none is named".to_owned(),
        }))
    }

    pub(super) const fn options(&self) -> &LdapOptions {
        &self.options
    }

    pub(super) fn password(&self) -> Result<Option<String>, LdapError> {
        let Some(login) = &self.options.login else {
            return Ok(None);
        };
        let wrong = |why: String| LdapError::Password {
            file: login.password_file.clone(),
            why,
        };
        let text = std::fs::read_to_string(&login.password_file);
        let text = text.map_err(|error| wrong(error.to_string()))?;
        let password = text.trim_end_matches(['\r', '\n']);
        // RFC 4513 §5.1.2: without a password a login succeeds and means nobody.
        if password.is_empty() {
            return Err(wrong("is empty, expected the password".to_owned()));
        }
        Ok(Some(password.to_owned()))
    }

    pub(super) async fn connect(&self, server: &str) -> Result<(LdapConnAsync, Ldap), LdapError> {
        let check = match &self.options.authorities {
            Some(file) => CertificateCheck::NameBy(file.clone()),
            None => CertificateCheck::Name,
        };
        let config = self.tls.config_for(&check);
        let config = config.map_err(|error| LdapError::Tls(error.to_string()))?;
        let settings = LdapConnSettings::new()
            .set_starttls(self.options.starttls && !server.starts_with("ldaps:"))
            .set_config(config);
        let unreachable = |why: String| LdapError::Unreachable {
            server: server.to_owned(),
            why,
        };
        let connected = async {
            let stream = reach(&*self.resolve, server).await?;
            let settings = settings.set_std_stream(stream);
            let connected = LdapConnAsync::with_settings(settings, server).await;
            connected.map_err(|error| plain(&error))
        };
        // The name, the connection, and TLS.
        match tokio::time::timeout(limits::LDAP_CONNECT, connected).await {
            Ok(connected) => connected.map_err(unreachable),
            Err(_) => Err(unreachable("no answer in time".to_owned())),
        }
    }

    async fn work(
        &self,
        mut ldap: Ldap,
        (server, password): (&str, Option<&str>),
        sink: &mut dyn Sink,
    ) -> Result<(), LdapError> {
        self.log_in(&mut ldap, (server, password)).await?;
        for (number, search) in self.options.searches.iter().enumerate() {
            search_all(&mut ldap, (number, search), sink).await?;
        }
        for dn in sink.needed() {
            let object = by_name(&mut ldap, &dn, ATTRIBUTES.to_vec()).await?;
            sink.needed_found(&dn, object);
        }
        // The server sees the end of the connection in any case.
        in_time(ldap.unbind()).await.ok();
        Ok(())
    }
}

impl LdapServer {
    /// Logs in as ourselves, if we are somebody.
    pub(super) async fn log_in(
        &self,
        ldap: &mut Ldap,
        (server, password): (&str, Option<&str>),
    ) -> Result<(), LdapError> {
        let (Some(login), Some(password)) = (&self.options.login, password) else {
            return Ok(());
        };
        let bound = in_time(ldap.simple_bind(&login.name, password)).await?;
        let bound = bound.and_then(ldap3::LdapResult::success);
        bound.map(drop).map_err(|error| LdapError::Login {
            server: server.to_owned(),
            name: login.name.clone(),
            why: plain(&error),
        })
    }
}

/// Moves the bytes while `work` is done.
pub(super) async fn driven<T>(
    connection: LdapConnAsync,
    work: impl Future<Output = Result<T, LdapError>>,
) -> Result<T, LdapError> {
    let mut drive = pin!(connection.drive());
    let mut work = pin!(work);
    let mut is_driving = true;
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            // The work hears of it when it has taken what came before.
            _ = &mut drive, if is_driving => is_driving = false,
        }
    }
}

/// One search, page by page.
async fn search_all(
    ldap: &mut Ldap,
    (number, search): (usize, &Search),
    sink: &mut dyn Sink,
) -> Result<(), LdapError> {
    let broken = |error: &ldap3::LdapError| broken(&search.base, error);
    // Servers give a bounded number of objects at a time (RFC 2696).
    let pages = PagedResults::new(limits::LDAP_PAGE);
    let (base, filter) = (search.base.as_str(), search.filter.as_str());
    let begun =
        ldap.streaming_search_with(pages, base, Scope::Subtree, filter, ATTRIBUTES.to_vec());
    let mut stream = in_time(begun).await?.map_err(|error| broken(&error))?;
    let mut unfinished = Vec::new();
    loop {
        let next = in_time(stream.next()).await?;
        let Some(entry) = next.map_err(|error| broken(&error))? else {
            break;
        };
        // Parts of the tree that another server has: it is a source of its own.
        if entry.is_ref() || entry.is_intermediate() {
            continue;
        }
        let object = read_entry(entry, number).ok_or(LdapError::Odd)?;
        if object.more.is_empty() {
            sink.found(object);
        } else {
            unfinished.push(object);
        }
    }
    let finished = stream.finish().await.success();
    finished.map_err(|error| broken(&error))?;
    drop(stream);
    for object in unfinished {
        sink.found(completed(ldap, object).await?);
    }
    Ok(())
}

/// Fetches the values that did not fit into the first answer.
async fn completed(ldap: &mut Ldap, mut object: Object) -> Result<Object, LdapError> {
    while let Some((name, next)) = object.more.pop_first() {
        let asked = format!("{name};range={next}-*");
        let more = by_name(ldap, &object.dn, vec![asked.as_str()]).await?;
        let more = more.unwrap_or_default();
        let found = more.attributes.get(&name).map_or(0, Vec::len);
        let values = more.attributes.into_iter();
        for (name, values) in values.filter(|(_, values)| !values.is_empty()) {
            object.attributes.entry(name).or_default().extend(values);
        }
        // A server that gives no more and promises more would be asked for ever.
        let later = more.more.into_iter();
        let later = later.filter(|(_, after)| found > 0 && *after > next);
        object.more.extend(later);
    }
    Ok(object)
}

/// The object of this name.
async fn by_name(
    ldap: &mut Ldap,
    dn: &str,
    attributes: Vec<&str>,
) -> Result<Option<Object>, LdapError> {
    let search = ldap.search(dn, Scope::Base, "(objectClass=*)", attributes);
    let answer = in_time(search).await?;
    match answer.and_then(ldap3::SearchResult::success) {
        Ok((entries, _)) => {
            let entry = entries.into_iter().find(|entry| !entry.is_ref());
            entry.map_or(Ok(None), |entry| {
                read_entry(entry, usize::MAX)
                    .map(Some)
                    .ok_or(LdapError::Odd)
            })
        }
        Err(ldap3::LdapError::LdapResult { result }) if result.rc == NO_SUCH_OBJECT => Ok(None),
        Err(error) => Err(broken(dn, &error)),
    }
}

/// SearchResultEntry (RFC 4511 §4.5.2).
pub(super) fn read_entry(entry: ResultEntry, search: usize) -> Option<Object> {
    let mut parts = entry.0.match_id(4)?.expect_constructed()?.into_iter();
    let dn = String::from_utf8(parts.next()?.expect_primitive()?).ok()?;
    let mut object = Object {
        search,
        dn,
        ..Object::default()
    };
    for attribute in parts.next()?.expect_constructed()? {
        let mut parts = attribute.expect_constructed()?.into_iter();
        let name = String::from_utf8(parts.next()?.expect_primitive()?).ok()?;
        let values = parts.next()?.expect_constructed()?.into_iter();
        let mut found = Vec::new();
        for value in values {
            found.push(value.expect_primitive()?);
        }
        object.add(&name, found);
    }
    Some(object)
}

pub(super) async fn in_time<T>(work: impl Future<Output = T>) -> Result<T, LdapError> {
    const SILENCE: Duration = limits::LDAP_SILENCE;
    let done = tokio::time::timeout(SILENCE, work).await;
    done.map_err(|_| LdapError::Silent)
}

pub(super) fn broken(base: &str, error: &ldap3::LdapError) -> LdapError {
    LdapError::Search {
        base: base.to_owned(),
        why: plain(error),
    }
}

/// What went wrong, without the library's words around it.
pub(super) fn plain(error: &ldap3::LdapError) -> String {
    use ldap3::LdapError as Why;
    if let Why::LdapResult { result } = error {
        return match result.text.as_str() {
            "" => format!("LDAP result {}", result.rc),
            text => format!("LDAP result {}: {text}", result.rc),
        };
    }
    if let Why::Io { source } = error {
        return source.to_string();
    }
    let is_broken = matches!(
        error,
        Why::EndOfStream | Why::OpSend { .. } | Why::ResultRecv { .. }
    );
    if is_broken {
        "the connection broke off".to_owned()
    } else {
        error.to_string()
    }
}
