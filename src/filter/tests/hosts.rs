//! A filter whose host has several addresses.

use super::*;

/// Addresses of which some take no connection.
#[derive(Debug)]
struct House {
    daemon: Arc<Daemon>,
    /// What is at each address.
    at: Vec<(IpAddr, Way)>,
    dialled: Mutex<Vec<IpAddr>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// To the filter.
    There,
    /// Nobody listens.
    Refused,
    /// Nothing comes back.
    Silent,
}

impl House {
    fn new(ways: &[Way]) -> Arc<Self> {
        let address = |number: usize| format!("192.0.2.{}", number + 1).parse().unwrap();
        let at = ways.iter().enumerate();
        Arc::new(Self {
            daemon: Daemon::new(Manner::Works),
            at: at.map(|(number, way)| (address(number), *way)).collect(),
            dialled: Mutex::default(),
        })
    }
}

impl Dial for House {
    fn dial(&self, to: SocketAddr) -> Boxed<'_, io::Result<BoxedStream>> {
        self.dialled.lock().unwrap().push(to.ip());
        let way = self.at.iter().find(|(address, _)| *address == to.ip());
        match way.unwrap().1 {
            Way::There => self.daemon.dial(to),
            Way::Refused => Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) }),
            Way::Silent => Box::pin(std::future::pending()),
        }
    }
}

/// The next address is tried when one takes no connection, also when it says nothing at all, and
/// all within the time of the filter.
#[tokio::test(start_paused = true)]
async fn the_next_address_is_tried_in_time() {
    use Way::{Refused, Silent, There};
    for (ways, verdict, at_most) in [
        (&[There, Silent][..], FilterVerdict::Clean, 0),
        (&[Refused, There], FilterVerdict::Clean, 0),
        (&[Silent, There], FilterVerdict::Clean, 3),
        (&[Silent, Refused, Silent, There], FilterVerdict::Clean, 6),
        (&[Silent, Silent], FilterVerdict::Unchecked, 20),
        (&[Refused, Refused], FilterVerdict::Unchecked, 0),
        // No more than so many.
        (
            &[Refused, Refused, Refused, Refused, There],
            FilterVerdict::Unchecked,
            0,
        ),
    ] {
        for patience in [limits::FILTER_TIME, Duration::from_secs(2)] {
            let house = House::new(ways);
            let world = World {
                dial: Arc::clone(&house) as Arc<dyn Dial>,
                resolve: Arc::new(Hosts::all_at(house.at.iter().map(|(at, _)| *at).collect())),
                clock: Clock::system(),
            };
            let mut options = options("clamav");
            options.place = Place::Tcp("filters.example".to_owned(), 3310);
            options.patience = patience;
            let filters = Filters::new(world, vec![options]);
            let begun = Instant::now();
            let (found, said) = heard(&filters, &PLAIN).await;
            assert_eq!(found, verdict, "{ways:?} {said}");
            let most = patience.min(Duration::from_secs(at_most));
            let took = begun.elapsed();
            assert!(
                took <= most + Duration::from_millis(10),
                "{ways:?} {took:?}"
            );
            let dialled = house.dialled.lock().unwrap().len();
            assert!(dialled <= limits::FILTER_HOSTS, "{ways:?}");
        }
    }
}
