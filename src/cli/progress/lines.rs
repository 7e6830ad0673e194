//! A line for each phase, for logs.

use std::io::Write;
use std::sync::Mutex;

use crate::cli::progress::{Clock, finished};
use crate::report::{Event, Reporter};

/// Writes a line when a phase is done, and for each note and warning.
pub struct Lines<W> {
    out: Mutex<W>,
    clock: Clock,
}

impl<W: Write + Send> Lines<W> {
    /// Lines that go to `out`.
    pub fn new(out: W) -> Self {
        Self { out: Mutex::new(out), clock: Clock::default() }
    }

    fn line(&self, line: &str) {
        // A standard error that is gone is no reason to stop.
        let _ = writeln!(self.out.lock().expect("no thread panics while it writes"), "{line}");
    }

    #[cfg(test)]
    pub(super) fn into_inner(self) -> W {
        self.out.into_inner().unwrap()
    }
}

impl<W: Write + Send> Reporter for Lines<W> {
    fn report(&self, event: Event<'_>) {
        match event {
            Event::Begin { phase, .. } => self.clock.begin(phase),
            Event::Advance { .. } => {}
            Event::End { phase, detail } => self.line(&finished(phase, detail, self.clock.end(phase))),
            Event::Note(text) => self.line(&format!("     note  {text}")),
            Event::Warning(text) => self.line(&format!("  warning  {text}")),
        }
    }
}
