use indicatif::{InMemoryTerm, ProgressBar, ProgressDrawTarget};

use super::*;
use crate::report::{Reporter, Unit};

fn a_run(reporter: &dyn Reporter) {
    reporter.begin(Phase::Download, Some(100), Unit::Bytes);
    reporter.begin(Phase::Unpack, None, Unit::Items);
    reporter.advance(Phase::Download, 60);
    reporter.advance(Phase::Download, 40);
    reporter.warn("the mirror is slow");
    reporter.end(Phase::Download, "3 packages, 100 B");
    reporter.end(Phase::Unpack, "");
}

/// The seconds of a phase are not the same twice.
fn without_times(text: &str) -> String {
    text.lines()
        .map(|line| line.rsplit_once("  (").map_or(line, |(line, _)| line))
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

const LINES: &str = "  warning  the mirror is slow\n download  3 packages, 100 B\n   unpack\n";

#[test]
fn lines() {
    let reporter = Lines::new(Vec::new());
    a_run(&reporter);
    assert_eq!(without_times(&String::from_utf8(reporter.into_inner()).unwrap()), LINES);
}

#[test]
fn bars_leave_the_same_lines() {
    let terminal = InMemoryTerm::new(10, 80);
    let reporter = Bars::on(ProgressDrawTarget::term_like(Box::new(terminal.clone())));
    a_run(&reporter);
    assert_eq!(without_times(&terminal.contents()), LINES);
}

#[test]
fn bars_of_each_kind_can_be_drawn() {
    for (total, unit, expected) in [
        (Some(10_000_000), Unit::Bytes, "5.00 MB/10.00 MB"),
        (None, Unit::Bytes, "5.00 MB"),
        (Some(10_000_000), Unit::Items, "5000000/10000000"),
        (None, Unit::Items, "5000000"),
    ] {
        let terminal = InMemoryTerm::new(10, 80);
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let bar = ProgressBar::with_draw_target(total, target).with_style(bars::style(total.is_some(), unit));
        bar.inc(5_000_000);
        // Which draws, whatever was drawn a moment ago.
        bar.abandon();
        assert!(terminal.contents().contains(expected), "{}", terminal.contents());
    }
}

#[test]
fn json() {
    let reporter = Json::new(Vec::new());
    a_run(&reporter);
    let text = String::from_utf8(reporter.into_inner()).unwrap();
    let objects: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events: Vec<&str> = objects.iter().map(|object| object["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["begin", "begin", "warning", "end", "end"]);
    assert_eq!(objects[0]["total"], 100);
    assert_eq!(objects[3]["amount"], 100);
    assert_eq!(objects[3]["detail"], "3 packages, 100 B");
}
