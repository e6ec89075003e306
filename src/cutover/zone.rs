//! The servers of a zone, which know what is true now.

use std::net::{IpAddr, SocketAddr};

use futures_util::future::join_all;

use super::look::Asked;
use super::seen::Found;
use super::{Network, Resolver};
use crate::net::{Record, RecordKind};

/// More servers of one zone need not be asked.
const SERVERS: usize = 4;
const PORT: u16 = 53;

/// The domain and the ones above it, but not those that everybody shares (`org`).
pub(super) fn above(domain: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = Some(domain);
    while let Some(name) = rest.filter(|name| name.contains('.')) {
        names.push(name);
        rest = name.split_once('.').map(|(_, above)| above);
    }
    names
}

/// The servers of the zone in which `domain` is, as far as they can be found.
pub(super) async fn servers(asked: &Asked, network: &dyn Network, domain: &str) -> Vec<Resolver> {
    let names = above(domain);
    let found = names
        .iter()
        .map(|name| asked.any(name, RecordKind::NameServer));
    let found = join_all(found).await;
    // The nearest one is the zone.
    let hosts = found.iter().map(Found::records).find(|it| !it.is_empty());
    let hosts = hosts.unwrap_or_default().iter().take(SERVERS);
    let hosts = hosts.filter_map(|record| match record {
        Record::Name(host) => Some(host.clone()),
        Record::Mx(_) | Record::Text(_) | Record::Address(_) => None,
    });
    let each = hosts.map(|host| async move {
        let address = address(asked, &host).await?;
        let ask = network.server(SocketAddr::new(address, PORT)).ok()?;
        Some(Resolver { name: host, ask })
    });
    join_all(each).await.into_iter().flatten().collect()
}

/// What a server of the zone says. It knows nothing of the zone into which an alias leads:
/// the resolvers are asked for what is there, and it never says itself that there is none.
pub(super) async fn says(
    asked: &Asked,
    server: &Resolver,
    (name, kind): (&str, RecordKind),
) -> Found {
    let alias = server.ask.ask(name, RecordKind::Alias);
    let (found, alias) = tokio::join!(server.ask.ask(name, kind), alias);
    let alias = match (Found::from(found), Found::from(alias)) {
        (found @ Found::Records(_), _) | (found, Found::Nothing) => return found,
        (_, Found::Silent(why)) => return Found::Silent(why),
        (_, Found::Records(alias)) => alias,
    };
    let Some(Record::Name(target)) = alias.records.first() else {
        return Found::Silent("an alias that is no name".to_owned());
    };
    match asked.any(target, kind).await {
        Found::Records(mut answer) => {
            answer.alias = true;
            answer.ttl = answer.ttl.min(alias.ttl);
            Found::Records(answer)
        }
        Found::Nothing => Found::Silent(format!("an alias of {target}, where nothing is")),
        silent @ Found::Silent(_) => silent,
    }
}

async fn address(asked: &Asked, host: &str) -> Option<IpAddr> {
    for kind in [RecordKind::V4, RecordKind::V6] {
        let found = asked.any(host, kind).await;
        let first = found.records().iter().find_map(|record| match record {
            Record::Address(address) => Some(*address),
            Record::Mx(_) | Record::Text(_) | Record::Name(_) => None,
        });
        if first.is_some() {
            return first;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domains_above_end_before_the_top() {
        assert_eq!(
            above("a.b.example.org"),
            ["a.b.example.org", "b.example.org", "example.org"]
        );
        assert_eq!(above("localhost"), Vec::<&str>::new());
    }
}
