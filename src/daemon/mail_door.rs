//! The listeners for mail.

use std::net::SocketAddr;
use std::sync::Arc;

use super::assemble::Base;
use super::certificates::MailDoors;
use super::submitters::AllSubmitters;
use crate::config::Config;
use crate::inbound::{self, Submitters};
use crate::net::{AcceptTls, Listen as _, TcpListen};
use crate::route::LoopGuard;
use crate::webmail::Webmail;

impl Base {
    /// Takes mail, on each of the sockets; their addresses.
    pub(super) fn serve_mail(
        &self,
        config: &Config,
        sockets: Vec<TcpListen>,
        (doors, webmail): (MailDoors, Option<Webmail>),
    ) -> Vec<SocketAddr> {
        super::relay_watch::spawn(self, config);
        let look = self.load.clone().keep(self.shutdown.clone());
        self.shutdown.spawn("load", look);
        let submitters = Arc::new(AllSubmitters::new(self.devices.clone(), webmail));
        let mut addresses = Vec::new();
        let options = config.inbound_options().into_iter();
        for ((socket, (_, options)), tls) in sockets.into_iter().zip(options).zip(doors) {
            addresses.push(socket.local_address());
            let server = inbound::Server::new(
                options,
                self.spool.clone(),
                Arc::new(self.router.clone()),
                tls.map(|tls| tls as Arc<dyn AcceptTls>),
                self.clock.clone(),
            );
            let (router, spool) = (self.router.clone(), self.spool.clone());
            let guard = LoopGuard::new(router, spool, self.visits.clone());
            let server = server.guarded(guard).checking(Arc::clone(&self.checker));
            let server = server.filtering(self.filters.clone());
            let server = server.answering(self.policies.clone());
            let server = server.submitting(Arc::clone(&submitters) as Arc<dyn Submitters>);
            let server = server.knowing(self.devices.clone());
            let server = server.bounded(self.bounds.clone());
            let server = server.sharing(self.load.clone());
            let run = inbound::run(Box::new(socket), Arc::new(server), self.shutdown.clone());
            self.shutdown.spawn("inbound listener", run);
        }
        addresses
    }
}
