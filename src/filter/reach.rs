//! Reaches a filter, in its protocol.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use tokio::time::{Instant, timeout_at};

use super::consult::{self, Patience};
use super::desk::World;
use super::heard::{Heard, printable};
use super::http::{self, Head};
use super::options::{Options, Place, Protocol};
use super::talk::{self, Trouble};
use super::{Matter, rspamd};
use crate::limits;
use crate::net::{BoxedStream, connect_unix};

/// What does it say of a message? Who calls waits no longer than until then.
pub(super) async fn ask(
    world: &World,
    options: &Options,
    matter: Matter<'_>,
    until: Instant,
) -> Result<Heard, Trouble> {
    match options.protocol {
        Protocol::Clamd => {
            let stream = connect(world, &options.place, until).await?;
            talk::ask(stream, matter.content).await
        }
        Protocol::Rspamd => {
            let head = Head {
                path: rspamd::CHECK,
                host: options.place.host(),
                fields: rspamd::fields(matter, password(options).await?.as_deref()),
            };
            let stream = connect(world, &options.place, until).await?;
            let answer = http::post(stream, head, matter.content).await?;
            let opinion = rspamd::read(answer.status, &answer.body)?;
            // Of what it has not seen it cannot say that it is no worse.
            if opinion.finding.needs_all() && !answer.has_all {
                return Err(Trouble::Early);
            }
            Ok(opinion)
        }
        Protocol::Milter => {
            let patience = Patience {
                each: options.patience,
                until,
            };
            // Only who is there can say that he works on it.
            let soon = until.min(Instant::now() + options.patience);
            let stream = connect(world, &options.place, soon).await?;
            consult::ask(stream, matter, patience).await
        }
    }
}

/// Is it there? Who calls waits no longer than until then.
pub(super) async fn ping(world: &World, options: &Options, until: Instant) -> Result<(), Trouble> {
    let stream = connect(world, &options.place, until).await?;
    match options.protocol {
        Protocol::Clamd => talk::ping(stream).await,
        Protocol::Rspamd => {
            let head = Head {
                path: rspamd::PING,
                host: options.place.host(),
                fields: Vec::new(),
            };
            let answer = http::get(stream, head).await?;
            Ok(rspamd::pong(answer.status, &answer.body)?)
        }
        Protocol::Milter => {
            consult::version(stream, soon(options)).await?;
            Ok(())
        }
    }
}

/// Is it there, and what is it? Who calls waits no longer than until then.
pub(super) async fn about(
    world: &World,
    options: &Options,
    until: Instant,
) -> Result<String, Trouble> {
    match options.protocol {
        Protocol::Clamd => {
            ping(world, options, until).await?;
            let stream = connect(world, &options.place, until).await?;
            // Not all that speak as clamd does say what they are.
            let version = talk::version(stream).await;
            Ok(version.unwrap_or_else(|_| "clamd".to_owned()))
        }
        Protocol::Rspamd => {
            let head = Head {
                path: rspamd::PING,
                host: options.place.host(),
                fields: Vec::new(),
            };
            let stream = connect(world, &options.place, until).await?;
            let answer = http::get(stream, head).await?;
            rspamd::pong(answer.status, &answer.body)?;
            Ok(match printable(&answer.server).as_str() {
                "" => "rspamd".to_owned(),
                server => server.to_owned(),
            })
        }
        Protocol::Milter => {
            let stream = connect(world, &options.place, until).await?;
            let version = consult::version(stream, soon(options)).await?;
            Ok(format!("a milter, protocol version {version}"))
        }
    }
}

fn soon(options: &Options) -> Patience {
    Patience {
        each: options.patience,
        until: Instant::now() + options.patience,
    }
}

/// Read each time, so that another one needs no restart.
async fn password(options: &Options) -> Result<Option<String>, Trouble> {
    let Some(file) = &options.password_file else {
        return Ok(None);
    };
    let text = tokio::fs::read_to_string(file).await;
    let text = text.map_err(|error| Trouble::Password(format!("{}: {error}", file.display())))?;
    Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// A connection to the first of its addresses that takes one. An address that says nothing leaves
/// time for the next.
async fn connect(world: &World, place: &Place, until: Instant) -> Result<BoxedStream, Trouble> {
    let away = |what: &dyn fmt::Display| Trouble::Away(format!("{place}: {what}"));
    let (host, port) = match place {
        Place::Unix(path) => {
            let connected = timeout_at(until, connect_unix(path)).await;
            let connected = connected.map_err(|_| Trouble::Late)?;
            return connected.map_err(|error| away(&error));
        }
        Place::Tcp(host, port) => (host, *port),
    };
    let mut addresses = if let Ok(address) = host.parse::<IpAddr>() {
        vec![address]
    } else {
        let found = timeout_at(until, world.resolve.addresses(host)).await;
        let found = found.map_err(|_| Trouble::Late)?;
        found.map_err(|error| away(&error))?
    };
    addresses.truncate(limits::FILTER_HOSTS);
    let mut last = away(&"it has no address");
    let mut others = addresses.len();
    for address in addresses {
        others -= 1;
        let dialled = world.dial.dial(SocketAddr::new(address, port));
        match timeout_at(share(until, others), dialled).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = away(&error),
            Err(_) => last = Trouble::Late,
        }
    }
    Err(last)
}

/// Until when one address is waited for, while so many others are left.
fn share(until: Instant, others: usize) -> Instant {
    let Some(parts) = u32::try_from(others).ok().filter(|others| *others > 0) else {
        return until;
    };
    let now = Instant::now();
    let part = until.saturating_duration_since(now) / (parts + 1);
    now + part.min(limits::FILTER_CONNECT)
}
