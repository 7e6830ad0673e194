//! Progress, notes and warnings on their way to a person.
//!
//! The library prints nothing: it reports events, and the command line decides how they look.

/// A step of the work that takes long enough to be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Fetching and checking package indexes.
    Index,
    /// Choosing packages.
    Resolve,
    /// Downloading packages and other inputs.
    Download,
    /// Reading the files of a machine.
    Capture,
    /// Decompressing and reading packages.
    Unpack,
    /// Running maintainer scripts and recipe commands in the sandbox.
    Configure,
    /// Pruning, hardening, normalizing.
    Passes,
    /// Writing and compressing a layer.
    Pack,
    /// Writing an image to its destinations.
    Publish,
    /// Reading what is stored and comparing digests.
    Verify,
}

/// What the amounts of a phase count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Things: packages, files, entries.
    Items,
}

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A phase starts. `total` is how far it goes, where that is known.
    Begin {
        /// Which phase.
        phase: Phase,
        /// The amount at which it is done.
        total: Option<u64>,
        /// What amounts count.
        unit: Unit,
    },
    /// A phase came `amount` further.
    Advance {
        /// Which phase.
        phase: Phase,
        /// By how much.
        amount: u64,
    },
    /// A phase is done; `detail` says with what: `78 packages, 32.7 MB`.
    End {
        /// Which phase.
        phase: Phase,
        /// The result in a few words.
        detail: &'a str,
    },
    /// Something a person may like to know.
    Note(&'a str),
    /// Something a person should look at; the work goes on.
    Warning(&'a str),
}

/// Takes events from any thread.
pub trait Reporter: Send + Sync {
    /// Called once an event, from whichever thread it happens on; must not block for long.
    fn report(&self, event: Event<'_>);

    /// A phase starts.
    fn begin(&self, phase: Phase, total: Option<u64>, unit: Unit) {
        self.report(Event::Begin { phase, total, unit });
    }

    /// A phase came further.
    fn advance(&self, phase: Phase, amount: u64) {
        self.report(Event::Advance { phase, amount });
    }

    /// A phase is done.
    fn end(&self, phase: Phase, detail: &str) {
        self.report(Event::End { phase, detail });
    }

    /// Something a person may like to know.
    fn note(&self, text: &str) {
        self.report(Event::Note(text));
    }

    /// Something a person should look at.
    fn warn(&self, text: &str) {
        self.report(Event::Warning(text));
    }
}

/// A number of things, as a person says it: `1 package`, `2 packages`, `3 entries`.
pub fn counted(count: usize, one: &str) -> String {
    match (count, one.strip_suffix('y')) {
        (1, _) => format!("1 {one}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {one}s"),
    }
}

/// A reporter that drops everything.
pub struct Silent;

impl Reporter for Silent {
    fn report(&self, _: Event<'_>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_and_several() {
        assert_eq!(counted(0, "package"), "0 packages");
        assert_eq!(counted(1, "entry"), "1 entry");
        assert_eq!(counted(2, "entry"), "2 entries");
        assert_eq!(counted(3, "conda layer"), "3 conda layers");
    }
}
