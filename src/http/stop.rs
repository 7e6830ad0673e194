//! Ending several downloads at once.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// A signal to end, given once and seen by everyone who waits.
pub(super) struct Stop(watch::Sender<bool>);

impl Stop {
    /// A signal that is not given yet.
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Gives the signal.
    pub(super) fn give(&self) {
        self.0.send_replace(true);
    }

    /// Whether it has been given.
    pub(super) fn is_given(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for `duration`, or until the signal; says whether there was none.
    pub(super) fn sleep(&self, duration: Duration) -> bool {
        let end = Instant::now() + duration;
        while !self.is_given() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(Duration::from_millis(50)));
        }
        false
    }

    /// The result of `work`, or `None` as soon as the signal is given.
    pub(super) async fn or<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut receiver = self.0.subscribe();
        let mut given = pin!(receiver.wait_for(|given| *given));
        let mut work = pin!(work);
        poll_fn(|context| {
            if given.as_mut().poll(context).is_ready() {
                return Poll::Ready(None);
            }
            work.as_mut().poll(context).map(Some)
        })
        .await
    }
}
