//! Reaches a filter, in its protocol.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use tokio::time::{Instant, timeout};

use super::consult::{self, Patience};
use super::desk::World;
use super::heard::{Heard, printable};
use super::http::{self, Head};
use super::options::{Options, Place, Protocol};
use super::talk::{self, Trouble};
use super::{Matter, rspamd};
use crate::limits;
use crate::net::{BoxedStream, connect_unix};

/// What does it say of a message?
pub(super) async fn ask(
    world: &World,
    options: &Options,
    matter: Matter<'_>,
) -> Result<Heard, Trouble> {
    match options.protocol {
        Protocol::Clamd => {
            let stream = connect(world, &options.place).await?;
            talk::ask(stream, matter.content).await
        }
        Protocol::Rspamd => {
            let head = Head {
                path: rspamd::CHECK,
                host: options.place.host(),
                fields: rspamd::fields(matter, password(options).await?.as_deref()),
            };
            let stream = connect(world, &options.place).await?;
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
                until: Instant::now() + options.longest(),
            };
            let stream = connect(world, &options.place);
            // Only who is there can say that he works on it.
            let stream = timeout(options.patience, stream).await;
            let stream = stream.map_err(|_| Trouble::Late)??;
            consult::ask(stream, matter, patience).await
        }
    }
}

/// Is it there?
pub(super) async fn ping(world: &World, options: &Options) -> Result<(), Trouble> {
    let stream = connect(world, &options.place).await?;
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

/// Is it there, and what is it?
pub(super) async fn about(world: &World, options: &Options) -> Result<String, Trouble> {
    match options.protocol {
        Protocol::Clamd => {
            ping(world, options).await?;
            let stream = connect(world, &options.place).await?;
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
            let stream = connect(world, &options.place).await?;
            let answer = http::get(stream, head).await?;
            rspamd::pong(answer.status, &answer.body)?;
            Ok(match printable(&answer.server).as_str() {
                "" => "rspamd".to_owned(),
                server => server.to_owned(),
            })
        }
        Protocol::Milter => {
            let stream = connect(world, &options.place).await?;
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

async fn connect(world: &World, place: &Place) -> Result<BoxedStream, Trouble> {
    let away = |what: &dyn fmt::Display| Trouble::Away(format!("{place}: {what}"));
    let (host, port) = match place {
        Place::Unix(path) => return connect_unix(path).await.map_err(|error| away(&error)),
        Place::Tcp(host, port) => (host, *port),
    };
    let addresses = if let Ok(address) = host.parse::<IpAddr>() {
        vec![address]
    } else {
        let found = world.resolve.addresses(host).await;
        found.map_err(|error| away(&error))?
    };
    let mut last = away(&"it has no address");
    for address in addresses.into_iter().take(limits::FILTER_HOSTS) {
        match world.dial.dial(SocketAddr::new(address, port)).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = away(&error),
        }
    }
    Err(last)
}
