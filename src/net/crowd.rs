//! Bounds for a door that is open to all: connections in all and from one address, and silence.
//! Who keeps them open must not take the file descriptors with which mail is taken.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::BoxedStream;

/// Who is at a door; cheap to clone.
#[derive(Debug, Clone)]
pub struct Crowd(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    all: usize,
    each: usize,
    here: Mutex<HashMap<IpAddr, usize>>,
}

impl Crowd {
    /// At most `all` at one time, and `each` from one address.
    #[must_use]
    pub fn new(all: usize, each: usize) -> Self {
        Self(Arc::new(Inner {
            all,
            each,
            here: Mutex::default(),
        }))
    }

    /// Lets a connection in; `None`: there are too many.
    #[must_use]
    pub fn enter(&self, peer: IpAddr) -> Option<Place> {
        let peer = network_of(peer);
        let mut here = self.0.here.lock().unwrap_or_else(PoisonError::into_inner);
        let from_there = here.get(&peer).copied().unwrap_or(0);
        if here.values().sum::<usize>() >= self.0.all || from_there >= self.0.each {
            return None;
        }
        here.insert(peer, from_there + 1);
        Some(Place {
            crowd: self.clone(),
            peer,
        })
    }
}

/// Who stands for whom: an IPv6 host has a /64 of its own.
fn network_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(six) => {
            let network = u128::from(six) & !u128::from(u64::MAX);
            IpAddr::V6(network.into())
        }
        four @ IpAddr::V4(_) => four,
    }
}

/// A connection's place; free again when it is dropped.
#[derive(Debug)]
pub struct Place {
    crowd: Crowd,
    peer: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let here = &self.crowd.0.here;
        let mut here = here.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = here.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                here.remove(&self.peer);
            }
        }
    }
}

/// A connection that keeps its place, and loses it when nothing moves for too long.
pub struct Placed {
    stream: BoxedStream,
    silence: Duration,
    until: Pin<Box<Sleep>>,
    _place: Place,
}

impl std::fmt::Debug for Placed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Placed").finish_non_exhaustive()
    }
}

impl Placed {
    /// `stream` at `place`; ended after `silence` in both directions.
    #[must_use]
    pub fn new(stream: BoxedStream, place: Place, silence: Duration) -> Self {
        Self {
            stream,
            silence,
            until: Box::pin(tokio::time::sleep(silence)),
            _place: place,
        }
    }

    fn moved(&mut self) {
        let until = Instant::now() + self.silence;
        self.until.as_mut().reset(until);
    }

    /// What `polled` is, unless it has been silent for too long.
    fn watched<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.moved();
            return polled;
        }
        self.over(context, polled)
    }

    /// The same, of what moves nothing by itself.
    fn over<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            return polled;
        }
        let over = self.until.as_mut().poll(context);
        over.map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Placed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.watched(context, polled)
    }
}

impl AsyncWrite for Placed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watched(context, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.over(context, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.over(context, polled)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[test]
    fn a_door_has_places_in_all_and_for_each() {
        let crowd = Crowd::new(3, 2);
        let (one, two) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let first = crowd.enter(one).unwrap();
        let _second = crowd.enter(one).unwrap();
        assert!(crowd.enter(one).is_none(), "two from one address");
        let _third = crowd.enter(two).unwrap();
        assert!(crowd.enter(two).is_none(), "three in all");
        drop(first);
        assert!(crowd.enter(one).is_some());
        // One host, many addresses.
        let crowd = Crowd::new(9, 1);
        let _host = crowd.enter("2001:db8::1".parse().unwrap()).unwrap();
        assert!(crowd.enter("2001:db8::ffff:1".parse().unwrap()).is_none());
        assert!(crowd.enter("2001:db8:0:1::1".parse().unwrap()).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_a_connection_and_anything_said_does_not() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let place = Crowd::new(1, 1)
            .enter(IpAddr::from([192, 0, 2, 1]))
            .unwrap();
        let mut placed = Placed::new(Box::new(ours), place, Duration::from_secs(10));
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_secs(9)).await;
            theirs.write_all(b"x").await.unwrap();
            assert_eq!(placed.read_u8().await.unwrap(), b'x');
            placed.write_all(b"y").await.unwrap();
        }
        let error = placed.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
