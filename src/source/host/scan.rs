//! Looking for secrets in the bytes of a file, as they stream by.
//!
//! Only what has a form of its own is found: key blocks, crypt(3) hashes, tokens with a known prefix, and logins in files
//! of a known name. What is compressed, encrypted, or has no form, is not.

mod credential;
mod form;

use aho_corasick::AhoCorasick;

use crate::tree::TreePath;

/// A secret that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    /// The rule: `private-key`, `password-hash`, `token`, `credential`.
    pub(super) rule: &'static str,
    /// What it is, in a few words.
    pub(super) what: &'static str,
    /// The line it starts on, from 1.
    pub(super) line: u64,
}

/// Looks for all forms at once.
pub(super) struct Scanner {
    prefixes: AhoCorasick,
}

/// The scan of one file.
pub(super) struct Scan<'a> {
    scanner: &'a Scanner,
    window: Vec<u8>,
    /// Lines before the window.
    lines: u64,
    /// Known from the first bytes: tokens and hashes are looked for in text alone.
    is_text: Option<bool>,
    /// All bytes so far, of a file whose name says that it holds logins.
    whole: Option<Vec<u8>>,
    path: &'a TreePath,
    hits: Vec<Hit>,
}

/// More than any form needs to be recognised.
const OVERLAP: usize = 8 << 10;

/// What is put into the window before it is looked at.
const WINDOW: usize = 256 << 10;

/// Files with logins are small.
const LARGEST_WHOLE: usize = 4 << 20;

impl Scanner {
    /// Looks for every form of the table.
    pub(super) fn new() -> Self {
        let prefixes = form::FORMS.iter().map(|form| form.prefix);
        Self { prefixes: AhoCorasick::new(prefixes).expect("the table of forms is small") }
    }

    /// Starts on the file at `path`.
    pub(super) fn start<'a>(&'a self, path: &'a TreePath) -> Scan<'a> {
        let whole = credential::is_candidate(path).then(Vec::new);
        Scan { scanner: self, window: Vec::new(), lines: 1, is_text: None, whole, path, hits: Vec::new() }
    }
}

impl Scan<'_> {
    /// Looks at the next bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if self.is_text.is_none() {
            let start = &bytes[..bytes.len().min(8 << 10)];
            self.is_text = Some(memchr::memchr(0, start).is_none());
        }
        if let Some(whole) = &mut self.whole {
            let room = LARGEST_WHOLE.saturating_sub(whole.len()).min(bytes.len());
            whole.extend_from_slice(&bytes[..room]);
        }
        self.window.extend_from_slice(bytes);
        if self.window.len() >= WINDOW {
            self.look(self.window.len() - OVERLAP);
        }
    }

    /// Ends a stretch: what follows has nothing to do with what came before.
    pub(super) fn pause(&mut self) {
        self.look(self.window.len());
    }

    /// What was found, each kind once.
    pub(super) fn finish(mut self) -> Vec<Hit> {
        self.pause();
        if let Some(whole) = &self.whole
            && let Some((rule, what, at)) = credential::find(self.path, whole)
        {
            let line = 1 + memchr::memchr_iter(b'\n', &whole[..at]).count() as u64;
            add(&mut self.hits, Hit { rule, what, line });
        }
        self.hits
    }

    /// Looks at what begins in the first `end` bytes of the window, and lets them go.
    fn look(&mut self, end: usize) {
        let is_text = self.is_text.unwrap_or(true);
        for found in self.scanner.prefixes.find_iter(&self.window) {
            let (form, start) = (&form::FORMS[found.pattern().as_usize()], found.start());
            // The rest of what begins close to the end may not have come yet.
            if start >= end {
                break;
            }
            let Some(what) = form.recognise(&self.window, start, is_text) else { continue };
            let line = self.lines + memchr::memchr_iter(b'\n', &self.window[..start]).count() as u64;
            add(&mut self.hits, Hit { rule: form.rule, what, line });
        }
        self.lines += memchr::memchr_iter(b'\n', &self.window[..end]).count() as u64;
        self.window.drain(..end);
    }
}

fn add(hits: &mut Vec<Hit>, hit: Hit) {
    if !hits.iter().any(|other| (other.rule, other.what) == (hit.rule, hit.what)) {
        hits.push(hit);
    }
}

#[cfg(test)]
mod tests;
