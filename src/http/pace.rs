//! How fast servers are asked: those that are known to limit it, and those that have said that they do.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::http::location::Location;
use crate::http::stop::Stop;

/// The earliest moment of the next request to a server, shared by all downloads.
#[derive(Default)]
pub(super) struct Pace(Mutex<BTreeMap<String, Instant>>);

impl Pace {
    /// Waits until the server of `location` may be asked; says no where the signal to stop came meanwhile. `gaps` are the
    /// least times between two requests to a host.
    pub(super) fn wait(&self, location: &Location, gaps: &[(String, Duration)], stop: &Stop) -> bool {
        let Some(server) = location.server() else { return true };
        let host = server.rsplit_once(':').map_or(server.as_str(), |(host, _)| host);
        let gap = gaps.iter().find(|(known, _)| known == host).map(|(_, gap)| *gap);
        let pause = {
            let mut next = self.0.lock().expect("no thread panics while it holds the list");
            let now = Instant::now();
            let at = next.get(&server).copied().unwrap_or(now).max(now);
            if let Some(gap) = gap {
                next.insert(server, at + gap);
            }
            at - now
        };
        pause.is_zero() || stop.sleep(pause)
    }

    /// Leaves the server of `location` alone for `pause`, as it asked.
    pub(super) fn rest(&self, location: &Location, pause: Duration) {
        let Some(server) = location.server() else { return };
        let mut next = self.0.lock().expect("no thread panics while it holds the list");
        let at = Instant::now() + pause;
        let known = next.entry(server).or_insert(at);
        *known = at.max(*known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(text: &str) -> Location {
        Location::parse(text).unwrap()
    }

    #[test]
    fn requests_to_known_hosts_keep_their_distance() {
        let (pace, stop) = (Pace::default(), Stop::new());
        let gaps = [("slow.example".to_owned(), Duration::from_millis(40))];
        let begun = Instant::now();
        for path in ["a", "b", "c"] {
            assert!(pace.wait(&location(&format!("http://slow.example/{path}")), &gaps, &stop));
        }
        assert!(begun.elapsed() >= Duration::from_millis(80));
        let next = pace.0.lock().unwrap().len();
        assert!(pace.wait(&location("http://other.example/a"), &gaps, &stop));
        assert!(pace.wait(&location("/srv/a"), &gaps, &stop));
        assert_eq!(pace.0.lock().unwrap().len(), next, "nothing is noted of others");
    }

    #[test]
    fn a_server_that_asks_for_rest_is_asked_by_nobody() {
        let (pace, stop) = (Pace::default(), Stop::new());
        let begun = Instant::now();
        pace.rest(&location("http://tired.example/a"), Duration::from_millis(50));
        pace.rest(&location("http://tired.example/a"), Duration::from_millis(1));
        assert!(pace.wait(&location("http://tired.example/b"), &[], &stop));
        assert!(begun.elapsed() >= Duration::from_millis(50));
        pace.rest(&location("http://tired.example/a"), Duration::from_secs(600));
        stop.give();
        assert!(!pace.wait(&location("http://tired.example/b"), &[], &stop), "a stop is heard meanwhile");
    }
}
