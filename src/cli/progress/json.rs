//! A JSON object a line, for programs.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::progress::{Clock, label};
use crate::report::{Event, Phase, Reporter, Unit};

/// No phase tells more often how far it is.
const PAUSE: Duration = Duration::from_millis(200);

/// Writes `{"event":"begin"|"advance"|"end"|"note"|"warning", ...}`. `advance` gives the amount so far.
pub struct Json<W> {
    state: Mutex<State<W>>,
    clock: Clock,
}

struct State<W> {
    out: W,
    amounts: BTreeMap<Phase, (u64, Instant)>,
}

impl<W: Write + Send> Json<W> {
    /// Objects that go to `out`.
    pub fn new(out: W) -> Self {
        Self { state: Mutex::new(State { out, amounts: BTreeMap::new() }), clock: Clock::default() }
    }

    #[cfg(test)]
    pub(super) fn into_inner(self) -> W {
        self.state.into_inner().unwrap().out
    }
}

impl<W: Write + Send> Reporter for Json<W> {
    fn report(&self, event: Event<'_>) {
        let mut state = self.state.lock().expect("no thread panics while it writes");
        let line: Value = match event {
            Event::Begin { phase, total, unit } => {
                self.clock.begin(phase);
                state.amounts.insert(phase, (0, Instant::now()));
                let unit = match unit {
                    Unit::Bytes => "bytes",
                    Unit::Items => "items",
                };
                json!({ "event": "begin", "phase": label(phase), "total": total, "unit": unit })
            }
            Event::Advance { phase, amount } => {
                let Some((sum, told)) = state.amounts.get_mut(&phase) else { return };
                *sum += amount;
                if told.elapsed() < PAUSE {
                    return;
                }
                *told = Instant::now();
                json!({ "event": "advance", "phase": label(phase), "amount": *sum })
            }
            Event::End { phase, detail } => {
                let amount = state.amounts.remove(&phase).map_or(0, |(sum, _)| sum);
                let seconds = self.clock.end(phase).as_secs_f64();
                json!({
                    "event": "end", "phase": label(phase), "amount": amount, "detail": detail, "seconds": seconds,
                })
            }
            Event::Note(text) => json!({ "event": "note", "text": text }),
            Event::Warning(text) => json!({ "event": "warning", "text": text }),
        };
        // A standard error that is gone is no reason to stop.
        let _ = writeln!(state.out, "{line}");
    }
}
