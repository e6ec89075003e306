//! Finds the file, reads it, and puts the pieces together.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::DeTable;

use super::reader::{At, Section, Source};
use super::verify::{self, Ourselves};
use super::{
    Config, LdapSource, Listing, Problem, Problems, ServerConfig, WebConfig, acme_keys, admin_keys,
    auth_keys, automatic_keys, dns_keys, drill, filter_keys, landing_keys, ldap_keys,
    listener_keys, log_keys, mta_sts_keys, notice_keys, online, people, people_keys, platforms,
    sections, signing, tls_keys, tls_policy_keys, tlsrpt_keys, writeback_keys,
};
use crate::base::read_regular;
use crate::directory::Directory;
use crate::limits;

/// Where a config file may be.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// `-c FILE`.
    pub argument: Option<PathBuf>,
    /// `TIDEOVER_CONFIG`.
    pub environment: Option<PathBuf>,
}

/// The config file of this call: `-c FILE`, else `TIDEOVER_CONFIG`, else `./tideover.toml`, else
/// `/etc/tideover/tideover.toml`.
///
/// # Errors
/// When none of them is there; the text names the places.
pub fn find(places: Places) -> Result<PathBuf, Problems> {
    if let Some(file) = places.argument.or(places.environment) {
        return Ok(file);
    }
    let defaults = ["tideover.toml", "/etc/tideover/tideover.toml"];
    let found = defaults
        .map(PathBuf::from)
        .into_iter()
        .find(|file| file.exists());
    found.ok_or_else(|| {
        Problems(vec![Problem {
            file: PathBuf::from("tideover.toml"),
            line: 0,
            key: String::new(),
            what: "no config file: neither ./tideover.toml nor /etc/tideover/tideover.toml is \
                   there; name one with -c FILE or TIDEOVER_CONFIG"
                .to_owned(),
        }])
    })
}

/// How far the checks go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// What the file says.
    Settings,
    /// Also the files and folders that it names, without which no mail could be taken.
    Files,
    /// Also those without which mail is taken all the same: of notices, and of the operators' door.
    Everything,
}

/// Reads a config file for a command that talks to a running server: the files that it names may
/// belong to another user.
///
/// # Errors
/// Everything that is wrong in it.
pub fn read(file: &Path) -> Result<Config, Problems> {
    open(file, Depth::Settings)
}

/// Reads a config file to serve by it: the files that it names must be there, `data_dir` must be
/// writable.
///
/// # Errors
/// Everything that is wrong in it.
pub fn load(file: &Path) -> Result<Config, Problems> {
    open(file, Depth::Files)
}

/// Reads a config file and the directory that it names, and looks for people whose mail would go
/// in a circle.
///
/// # Errors
/// Everything that is wrong in either.
pub fn check(file: &Path) -> Result<(Config, Directory), Problems> {
    let (config, mut problems) = examine(file, Depth::Everything);
    let Some(config) = config else {
        return Err(problems);
    };
    // Errors there that follow from errors here would only confuse.
    let hides = |key: &str| key == "directory.file" || key.starts_with("backend");
    if problems.0.iter().any(|problem| hides(&problem.key)) {
        return Err(problems);
    }
    match config.read_directory() {
        Ok(directory) => {
            problems.0.extend(people::homeless(&config, &directory));
            problems.0.extend(signing::unsigned(&config));
            if problems.0.is_empty() {
                return Ok((config, directory));
            }
        }
        Err(more) => problems.0.extend(more.0),
    }
    Err(problems)
}

/// `data_dir` of a config file, whatever else is wrong in it: a file that is being edited must
/// not keep anybody from asking the server that runs.
///
/// # Errors
/// When the file cannot be read, is no TOML and does not say it either, or `server.data_dir` is no
/// path.
pub fn data_dir(file: &Path) -> Result<PathBuf, Problems> {
    let text = text_of(file)?;
    let source = Source::new(file, &text);
    let (table, errors) = DeTable::parse_recoverable(&text);
    // Of a file that is broken further down; one that does not say it may be cut above it.
    let says_it = || table.get_ref().get("server")?.get_ref().get("data_dir");
    if !errors.is_empty() && says_it().is_none() {
        return Err(broken(&source, errors));
    }
    let server = sections::server(&Section::root(&source, table.get_ref()));
    let mut problems = source.problems();
    problems
        .0
        .retain(|problem| problem.key == server.data_dir.key);
    if problems.0.is_empty() {
        Ok(server.data_dir.value)
    } else {
        Err(problems)
    }
}

fn open(file: &Path, depth: Depth) -> Result<Config, Problems> {
    match examine(file, depth) {
        (Some(config), problems) if problems.0.is_empty() => Ok(config),
        (_, problems) => Err(problems),
    }
}

/// The config as far as it can be understood, and what is wrong.
fn examine(file: &Path, depth: Depth) -> (Option<Config>, Problems) {
    match text_of(file) {
        Ok(text) => parse(&Source::new(file, &text), &text, depth),
        Err(problems) => (None, problems),
    }
}

fn text_of(file: &Path) -> Result<String, Problems> {
    let text = read_regular(file, limits::CONFIG_FILE).and_then(|bytes| {
        String::from_utf8(bytes).map_err(|_| std::io::Error::other("it is not UTF-8"))
    });
    text.map_err(|error| {
        Problems(vec![Problem {
            file: file.to_owned(),
            line: 0,
            key: String::new(),
            what: format!("cannot be read: {error}"),
        }])
    })
}

fn parse(source: &Source<'_>, text: &str, depth: Depth) -> (Option<Config>, Problems) {
    let table = match table_of(source, text) {
        Ok(table) => table,
        Err(problems) => return (None, problems),
    };
    let root = Section::root(source, table.get_ref());
    let config = assemble(source, &root, depth);
    root.finish();
    (config, source.problems())
}

fn table_of<'t>(source: &Source<'_>, text: &'t str) -> Result<Spanned<DeTable<'t>>, Problems> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        Ok(table)
    } else {
        Err(broken(source, errors))
    }
}

/// What a broken file means is a guess: nothing more is told about it.
fn broken(source: &Source<'_>, errors: Vec<toml::de::Error>) -> Problems {
    for error in errors {
        let line = error.span().map_or(0, |span| source.line(span.start));
        source.problem(line, "", error.message().replace('\n', ", "));
    }
    source.problems()
}

/// `None` when something that cannot be left out is missing; the source knows what.
fn assemble(source: &Source<'_>, root: &Section<'_>, depth: Depth) -> Option<Config> {
    let (server, listeners) = (sections::server(root), listener_keys::listeners(root));
    let (spool, spool_uuid) = sections::spool(root);
    let (tls, backends) = (tls_keys::tls(root), platforms::backends(root));
    let (domains, check, (dmarc, policies)) = online::domains(root, &backends);
    let mta_sts = mta_sts_keys::door(root, &policies);
    let acme = acme_keys::acme(root, &tls);
    let (auth, notices) = (auth_keys::auth(root, dmarc), notice_keys::notices(root));
    let filters = filter_keys::filters(root, (&listeners, &domains));
    let automatic = automatic_keys::automatic(root, &domains);
    let directory = people_keys::directory(root, &backends);
    let (outside, queue) = (platforms::outside(root, &backends), sections::queue(root));
    let (replay, landing) = (sections::replay(root), landing_keys::landing(root));
    let (writeback, web) = (writeback_keys::writeback(root), sections::web(root));
    let logins = ldap_keys::of_logins(source, web.as_ref(), &directory.ldap);
    let (admin, limits) = (admin_keys::admin(root), sections::limits(root));
    let drill = drill::drill(root, &backends, &domains);
    let secured = tls_policy_keys::secured(root, &domains);

    let others = (mta_sts.as_ref(), acme.as_ref());
    check_binds(source, &listeners, (web.as_ref(), admin.as_ref(), others));
    let binds = listeners.iter().map(|listener| listener.bind.value);
    let ourselves = Ourselves {
        listeners: binds.collect(),
        hostname: server.hostname.as_ref().map(|at| &at.value),
    };
    ourselves.check(source, &backends, &outside.relays);
    if depth != Depth::Settings {
        verify::writable(source, &server.data_dir);
        verify::identity(source, &server.data_dir.value, spool_uuid.as_ref());
        tls.check_files(source, acme.as_ref());
        check_files(source, &listeners, (&directory, web.as_ref()));
        platforms::check_files(source, &backends);
        filter_keys::check_files(source, &filters);
    }
    if depth == Depth::Everything {
        notices.check_files(source);
        admin_keys::check_files(source, admin.as_ref());
    }

    let server = server_config(server)?;
    Some(Config {
        file: source.file().to_owned(),
        tls: tls.config(acme.as_ref().map(|_| acme_keys::pair(&server))),
        acme: acme.and_then(|acme| acme.config(&server, &policies)),
        mta_sts: mta_sts_keys::config(mta_sts, policies, &server.hostname),
        server,
        spool,
        listeners: listener_keys::configs(listeners),
        backends: platforms::configs(backends),
        domains,
        notices: notices.config,
        drill,
        log: log_keys::log(root),
        secured,
        check,
        dns: dns_keys::dns(root),
        directory: directory.config(),
        relay: outside.relays.into_iter().map(|at| at.value).collect(),
        protection: outside.protection,
        tlsrpt: tlsrpt_keys::tlsrpt(root),
        queue,
        replay,
        landing,
        auth,
        automatic,
        filters,
        writeback,
        web: web.and_then(|web| web_config(web, logins)),
        admin: admin.and_then(admin_keys::Admin::config),
        limits,
        listing: Listing::of(source),
    })
}

/// Where policies of MTA-STS are served, and where an authority is answered.
type Others<'a> = (Option<&'a At<SocketAddr>>, Option<&'a acme_keys::Acme>);

/// Nobody has the port of somebody else.
fn check_binds<'a>(
    source: &Source<'_>,
    listeners: &'a [listener_keys::Listener],
    (web, admin, others): (
        Option<&'a sections::Web>,
        Option<&'a admin_keys::Admin>,
        Others<'a>,
    ),
) {
    let (mta_sts, acme) = others;
    let binds = listeners.iter().map(|listener| &listener.bind);
    let web = web.and_then(|web| web.bind.as_ref());
    let admin = admin.and_then(|admin| admin.bind.as_ref());
    let binds: Vec<_> = binds
        .chain(web)
        .chain(admin)
        .chain(mta_sts)
        .chain(acme_keys::bind_of(acme))
        .collect();
    verify::binds(source, &binds);
}

/// The files of listeners, `[directory]` and `[web]`.
fn check_files(
    source: &Source<'_>,
    listeners: &[listener_keys::Listener],
    (directory, web): (&people_keys::DirectoryKeys, Option<&sections::Web>),
) {
    listener_keys::check_files(source, listeners);
    let named = directory.file.iter().chain(&directory.ldap.files);
    for file in named.chain(web.iter().flat_map(|web| &web.oidc.files)) {
        verify::readable(source, file);
    }
}

fn server_config(server: sections::Server) -> Option<ServerConfig> {
    Some(ServerConfig {
        hostname: server.hostname?.value,
        data_dir: server.data_dir.value,
        postmaster: server.postmaster.map(|at| at.value),
        stop_limit: server.stop_limit,
    })
}

fn web_config(web: sections::Web, ldap: Option<LdapSource>) -> Option<WebConfig> {
    Some(WebConfig {
        bind: web.bind?.value,
        base_url: web.base_url,
        title: web.title,
        time_zone: web.time_zone,
        proxy: web.proxy,
        writing: web.writing,
        activation: web.activation,
        notices: web.notices,
        ldap,
        oidc: web.oidc.config,
    })
}

/// What a text says, as if it were this file.
#[cfg(test)]
pub(super) fn of_text(file: &Path, text: &str) -> Option<Config> {
    let (config, problems) = parse(&Source::new(file, text), text, Depth::Settings);
    assert!(problems.0.is_empty(), "{problems}\n{text}");
    config
}

/// Every key that can be asked for, and what is wrong in `text`.
#[cfg(test)]
pub(super) fn keys(file: &Path, text: &str) -> std::collections::BTreeSet<String> {
    let source = Source::new(file, text);
    let (_, problems) = parse(&source, text, Depth::Settings);
    assert!(problems.0.is_empty(), "{problems}");
    source.asked()
}
