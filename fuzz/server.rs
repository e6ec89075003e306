//! A network for the fuzz targets of clients: each connection leads to a server that says the same
//! script, whatever it hears.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use tideover::base::{Boxed, Shutdown};
use tideover::net::{BoxedStream, Dial, DnsError, MailExchanger, Resolve, Tlsa};

use crate::pipes::{self, PIPE, Pace};

/// A line that can be read on every Linux: as good a password as another one.
pub(crate) const SECRET: &str = "/proc/sys/kernel/ostype";

/// The network.
#[derive(Debug)]
pub(crate) struct Script {
    said: Arc<[u8]>,
    pace: Pace,
    /// The address of every host.
    host: IpAddr,
    /// What the server heard, by connection.
    visits: Mutex<Vec<Arc<Mutex<Vec<u8>>>>>,
    tasks: Shutdown,
}

impl Script {
    /// A network with one host.
    pub(crate) fn new(said: &[u8], pace: Pace, host: &str) -> Arc<Self> {
        Arc::new(Self {
            said: said.into(),
            pace,
            host: host.parse().unwrap(),
            visits: Mutex::default(),
            tasks: Shutdown::new(),
        })
    }

    /// What the server heard on each connection.
    pub(crate) fn heard(&self) -> Vec<Vec<u8>> {
        let visits = self.visits.lock().unwrap();
        let heard = visits.iter().map(|visit| visit.lock().unwrap().clone());
        heard.collect()
    }
}

impl Dial for Script {
    fn dial(&self, _address: SocketAddr) -> Boxed<'_, io::Result<BoxedStream>> {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let visit = Arc::new(Mutex::default());
        self.visits.lock().unwrap().push(Arc::clone(&visit));
        let (said, pace) = (Arc::clone(&self.said), self.pace);
        self.tasks.spawn("server", async move {
            pipes::talk_noting(theirs, (&said, pace), &visit).await;
        });
        Box::pin(std::future::ready(Ok(Box::new(ours) as BoxedStream)))
    }
}

impl Resolve for Script {
    fn addresses<'a>(&'a self, _host: &'a str) -> Boxed<'a, Result<Vec<IpAddr>, DnsError>> {
        Box::pin(std::future::ready(Ok(vec![self.host])))
    }

    fn mail_exchangers<'a>(
        &'a self,
        domain: &'a str,
    ) -> Boxed<'a, Result<Vec<MailExchanger>, DnsError>> {
        let one = MailExchanger {
            preference: 10,
            host: format!("mx.{domain}"),
        };
        Box::pin(std::future::ready(Ok(vec![one])))
    }

    fn texts<'a>(&'a self, _name: &'a str) -> Boxed<'a, Result<Vec<String>, DnsError>> {
        Box::pin(std::future::ready(Err(DnsError::NoRecords)))
    }

    fn is_mx_proven<'a>(&'a self, _domain: &'a str) -> Boxed<'a, Result<bool, DnsError>> {
        Box::pin(std::future::ready(Ok(false)))
    }

    fn tlsa<'a>(&'a self, _host: &'a str, _port: u16) -> Boxed<'a, Result<Vec<Tlsa>, DnsError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}
