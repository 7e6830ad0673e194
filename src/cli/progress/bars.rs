//! Bars, for a person at a terminal.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing_subscriber::fmt::MakeWriter;

use crate::cli::progress::{Clock, finished, label};
use crate::report::{Event, Phase, Reporter, Unit};

/// A bar for each running phase, and a line for each that is done.
pub struct Bars {
    all: MultiProgress,
    running: Mutex<BTreeMap<Phase, ProgressBar>>,
    clock: Clock,
}

/// Writes between the bars: what is logged while they are there.
#[derive(Clone)]
pub struct BetweenBars(MultiProgress);

impl Bars {
    /// Bars on the standard error.
    pub fn new() -> Self {
        Self::on(ProgressDrawTarget::stderr())
    }

    pub(super) fn on(target: ProgressDrawTarget) -> Self {
        Self { all: MultiProgress::with_draw_target(target), running: Mutex::default(), clock: Clock::default() }
    }

    /// Where other lines go, so that they and the bars do not overwrite each other.
    pub fn writer(&self) -> BetweenBars {
        BetweenBars(self.all.clone())
    }

    fn line(&self, line: &str) {
        let _ = self.all.println(line);
    }

    fn running(&self) -> std::sync::MutexGuard<'_, BTreeMap<Phase, ProgressBar>> {
        self.running.lock().expect("no thread panics while it holds the bars")
    }
}

impl Default for Bars {
    fn default() -> Self {
        Self::new()
    }
}

impl BetweenBars {
    /// Takes all bars away, for the last words of a program.
    pub fn clear(&self) {
        let _ = self.0.clear();
    }
}

impl Reporter for Bars {
    fn report(&self, event: Event<'_>) {
        match event {
            Event::Begin { phase, total, unit } => {
                self.clock.begin(phase);
                let bar = match total {
                    Some(total) => ProgressBar::new(total),
                    None => ProgressBar::no_length(),
                };
                let bar = self.all.add(bar.with_style(style(total.is_some(), unit)).with_prefix(label(phase)));
                bar.enable_steady_tick(Duration::from_millis(100));
                self.running().insert(phase, bar);
            }
            Event::Advance { phase, amount } => {
                if let Some(bar) = self.running().get(&phase) {
                    bar.inc(amount);
                }
            }
            Event::End { phase, detail } => {
                let bar = self.running().remove(&phase);
                if let Some(bar) = bar {
                    bar.finish_and_clear();
                    self.all.remove(&bar);
                }
                self.line(&finished(phase, detail, self.clock.end(phase)));
            }
            Event::Note(text) => self.line(&format!("     note  {text}")),
            Event::Warning(text) => self.line(&format!("  warning  {text}")),
        }
    }
}

impl Write for BetweenBars {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for BetweenBars {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

pub(super) fn style(has_total: bool, unit: Unit) -> ProgressStyle {
    let template = match (has_total, unit) {
        (true, Unit::Bytes) => {
            "{prefix:>9}  [{bar:28}] {decimal_bytes}/{decimal_total_bytes}  {decimal_bytes_per_sec}  {eta}"
        }
        (true, Unit::Items) => "{prefix:>9}  [{bar:28}] {pos}/{len}  {per_sec}",
        (false, Unit::Bytes) => "{prefix:>9}  {spinner} {decimal_bytes}  {decimal_bytes_per_sec}",
        (false, Unit::Items) => "{prefix:>9}  {spinner} {pos}",
    };
    ProgressStyle::with_template(template).expect("the template is sound").progress_chars("=> ")
}
