//! Rounds over candidates: who is asked, in which order, and how long the pauses are.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use crate::http::location::Location;
use crate::http::pace::Pace;
use crate::http::stop::Stop;
use crate::http::{HttpError, HttpOptions};

/// No pause is longer, whatever a server asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What is remembered of servers between downloads.
#[derive(Default)]
pub(super) struct Candidates {
    /// Servers that did not answer or sent too slowly: asked last, so that one dead mirror costs one timeout and not
    /// one a file.
    bad: Mutex<BTreeSet<String>>,
    pace: Pace,
}

impl Candidates {
    /// What `attempt` gives for the first candidate where it does; else the error of the only candidate, or of all.
    pub(super) fn first_good<T>(
        &self,
        options: &HttpOptions,
        candidates: &[Location],
        what: &str,
        stop: &Stop,
        mut attempt: impl FnMut(&Location) -> Result<T, HttpError>,
    ) -> Result<T, HttpError> {
        let mut errors: Vec<Option<HttpError>> = candidates.iter().map(|_| None).collect();
        for round in 0..=options.retries {
            let mut pause = options.first_pause.saturating_mul(1 << round.min(16));
            let mut again = false;
            for place in self.order(candidates) {
                if errors[place].as_ref().is_some_and(|error| !error.may_pass()) {
                    continue;
                }
                if !self.pace.wait(&candidates[place], &options.gaps, stop) {
                    return Err(HttpError::Cancelled);
                }
                let error = match attempt(&candidates[place]) {
                    Ok(value) => return Ok(value),
                    Err(error) if error.is_final() => return Err(error),
                    Err(error) => error,
                };
                tracing::debug!("{error}");
                self.remember(&candidates[place], &error);
                if let HttpError::Status { retry_after: Some(seconds), .. } = error {
                    let rest = Duration::from_secs(seconds);
                    pause = pause.max(rest);
                    // All other downloads leave it alone as well.
                    if rest <= LONGEST_PAUSE {
                        self.pace.rest(&candidates[place], rest);
                    }
                }
                again |= error.may_pass();
                errors[place] = Some(error);
            }
            if !again || round == options.retries || pause > LONGEST_PAUSE {
                break;
            }
            tracing::debug!("asking again for {what} in {} ms", pause.as_millis());
            if !stop.sleep(pause) {
                return Err(HttpError::Cancelled);
            }
        }
        let mut causes: Vec<HttpError> = errors.into_iter().flatten().collect();
        Err(match causes.len() {
            0 => HttpError::NoCandidate { what: what.to_owned() },
            1 => causes.remove(0),
            _ => HttpError::Exhausted { what: what.to_owned(), causes },
        })
    }

    /// The numbers of the candidates, those of bad servers last.
    fn order(&self, candidates: &[Location]) -> Vec<usize> {
        let bad = self.bad.lock().expect("no thread panics while it holds the list");
        let is_bad = |place: &usize| candidates[*place].server().is_some_and(|server| bad.contains(&server));
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        order.sort_by_key(is_bad);
        order
    }

    fn remember(&self, candidate: &Location, error: &HttpError) {
        let unusable = matches!(
            error,
            HttpError::Unreachable { .. }
                | HttpError::UnknownHost { .. }
                | HttpError::Untrusted { .. }
                | HttpError::TooSlow { .. }
        );
        if unusable && let Some(server) = candidate.server() {
            self.bad.lock().expect("no thread panics while it holds the list").insert(server);
        }
    }
}
