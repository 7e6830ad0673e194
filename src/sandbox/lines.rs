//! What a program said, as far as an error needs it: its last lines, and those around each package that dpkg or rpm could
//! not deal with, because they go on with the others.

use std::collections::VecDeque;

/// How many lines of the end are kept.
const LAST: usize = 20;

/// How many lines are kept of what went before one of these errors.
const BEFORE: usize = 10;

/// How many lines are kept of all errors together.
const MOST: usize = 60;

/// How dpkg begins to say that it failed; the next line says why.
const FAILURE: &str = "dpkg: error processing ";

/// How rpm says that a script of a package failed, in its only line about it.
const SCRIPTLET: &str = " scriptlet failed, ";

/// Lines of a program's output.
#[derive(Default)]
pub(super) struct Lines {
    last: VecDeque<String>,
    failures: Vec<String>,
    /// Lines that have come since the first of the failures that is not among the last ones any more, or will not be.
    since: usize,
    goes_on: bool,
}

impl Lines {
    /// Begins anew.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes the next line.
    pub(super) fn push(&mut self, line: String) {
        let fails = line.starts_with(FAILURE) || line.contains(SCRIPTLET);
        if self.goes_on || (fails && self.failures.len() < MOST) {
            if !self.goes_on {
                // Each package begins so; what rpm says itself is of an earlier one.
                let begins = ["Setting up ", "warning: ", "error: "];
                let is_other = |line: &String| begins.iter().any(|begin| line.starts_with(begin));
                let start = self.last.iter().rposition(is_other).unwrap_or(0);
                let before = start.max(self.last.len().saturating_sub(BEFORE));
                self.failures.extend(self.last.iter().skip(before).cloned());
            }
            self.failures.push(line.clone());
            self.goes_on = line.starts_with(FAILURE);
        } else if !self.failures.is_empty() {
            self.since += 1;
        }
        if self.last.len() == LAST {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// What is worth showing. Failures that are among the last lines are shown there.
    pub(super) fn shown(&self) -> Vec<String> {
        let last = self.last.iter().cloned();
        if self.failures.is_empty() || self.failures.len() + self.since <= LAST {
            return last.collect();
        }
        self.failures.iter().cloned().chain(["...".to_owned()]).chain(last).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut lines = Lines::default();
        text.into_iter().for_each(|line| lines.push(line));
        lines.shown()
    }

    fn numbers(from: u32, to: u32) -> impl Iterator<Item = String> {
        (from..to).map(|number| number.to_string())
    }

    #[test]
    fn the_end_is_shown() {
        assert_eq!(shown(numbers(0, 3)), ["0", "1", "2"]);
        assert_eq!(shown(numbers(0, 50)), numbers(30, 50).collect::<Vec<_>>());
    }

    #[test]
    fn what_a_script_of_rpm_said_before_it_failed_is_shown_too() {
        let said = ["warning: a", "no such user", "warning: %post(b-1-1.noarch) scriptlet failed, exit status 3"];
        let said = said.map(str::to_owned);
        let far = shown(numbers(0, 30).chain(said.clone()).chain(numbers(30, 90)));
        assert_eq!(far[..4], [&said[..], &["...".to_owned()]].concat());
        assert_eq!(far[4..], numbers(70, 90).collect::<Vec<_>>());
    }

    #[test]
    fn what_went_before_a_failure_of_dpkg_is_shown_too() {
        let failure =
            ["Setting up b (1) ...", "no such user", "dpkg: error processing package b (--configure):", " why"];
        let failure = failure.map(str::to_owned);
        let near: Vec<String> = numbers(0, 5).chain(failure.clone()).chain(numbers(5, 8)).collect();
        assert_eq!(shown(near.clone()), near);
        let far = shown(numbers(0, 30).chain(failure.clone()).chain(numbers(30, 90)));
        assert_eq!(far[..5], [&failure[..], &["...".to_owned()]].concat());
        assert_eq!(far[5..], numbers(70, 90).collect::<Vec<_>>());
    }
}
