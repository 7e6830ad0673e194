//! How progress looks: bars, lines, JSON or nothing. All of it goes to the standard error.

mod bars;
mod json;
mod lines;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

pub use bars::Bars;
pub use json::Json;
pub use lines::Lines;

use crate::report::Phase;

/// What a phase is called.
fn label(phase: Phase) -> &'static str {
    match phase {
        Phase::Index => "index",
        Phase::Resolve => "resolve",
        Phase::Download => "download",
        Phase::Capture => "capture",
        Phase::Unpack => "unpack",
        Phase::Configure => "configure",
        Phase::Passes => "passes",
        Phase::Pack => "pack",
        Phase::Publish => "publish",
        Phase::Verify => "verify",
    }
}

/// The line that is left of a phase.
fn finished(phase: Phase, detail: &str, took: Duration) -> String {
    let line = format!("{:>9}  {detail}", label(phase));
    format!("{}  ({:.1} s)", line.trim_end(), took.as_secs_f64())
}

/// When each running phase began.
#[derive(Default)]
struct Clock(Mutex<BTreeMap<Phase, Instant>>);

impl Clock {
    fn begin(&self, phase: Phase) {
        self.0.lock().expect("no thread panics while it holds the clock").insert(phase, Instant::now());
    }

    fn end(&self, phase: Phase) -> Duration {
        let begin = self.0.lock().expect("no thread panics while it holds the clock").remove(&phase);
        begin.map(|begin| begin.elapsed()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
