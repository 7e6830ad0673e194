//! How errors look.

use std::io::Write;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};
use serde_json::{Value, json};

use crate::cli::args::Progress;
use crate::error::Error;

/// Where and how the standard error is written to.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Whether with colours.
    pub color: bool,
    /// Whether a person reads it on a terminal: long lines are then broken.
    pub is_terminal: bool,
    /// How progress is shown; errors follow it where it is JSON.
    pub progress: Progress,
}

/// Writes `error` to `out`: what could not be done, why, and what to do.
pub fn error(error: &Error, style: Style, out: &mut dyn Write) {
    let text = match style.progress {
        Progress::Json => as_json(error).to_string(),
        _ => as_text(error, style),
    };
    // There is nobody to tell where the standard error is gone.
    let _ = writeln!(out, "{}", text.trim_end());
}

fn as_text(error: &Error, style: Style) -> String {
    let theme = if style.color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_links(false).with_wrap_lines(style.is_terminal);
    let handler = match width().filter(|_| style.is_terminal) {
        Some(width) => handler.with_width(width),
        None => handler,
    };
    let mut text = String::new();
    match handler.render_report(&mut text, error) {
        Ok(()) => text,
        // Its own words are better than none.
        Err(_) => error.to_string(),
    }
}

fn as_json(error: &dyn Diagnostic) -> Value {
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(link) = cause {
        causes.push(link.to_string());
        cause = link.source();
    }
    let related: Vec<Value> = error.related().into_iter().flatten().map(as_json).collect();
    json!({
        "event": "error",
        "code": error.code().map(|code| code.to_string()),
        "message": error.to_string(),
        "causes": causes,
        "help": error.help().map(|help| help.to_string()),
        "related": related,
    })
}

/// The terminal's width, within what reads well.
fn width() -> Option<usize> {
    let (terminal_size::Width(columns), _) = terminal_size::terminal_size_of(std::io::stderr())?;
    Some(usize::from(columns).clamp(60, 120))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::HttpError;

    fn shown(progress: Progress) -> String {
        let absent = |host: &str| HttpError::Absent { url: format!("http://{host}/x") };
        let source = std::io::Error::other("nobody is there");
        let unreachable = HttpError::Unreachable { url: "http://b.example/x".into(), source: source.into() };
        let causes = vec![absent("a.example"), unreachable];
        let mut out = Vec::new();
        let style = Style { color: false, is_terminal: false, progress };
        error(&HttpError::Exhausted { what: "bash".into(), causes }.into(), style, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_has_every_cause_and_the_help() {
        let text = shown(Progress::Auto);
        for expected in [
            "cannot fetch bash: none of 2 mirrors gave it",
            "help: the reason of each mirror is below",
            "`http://a.example/x` does not exist",
            "cannot reach `http://b.example/x`",
            "nobody is there",
        ] {
            assert!(text.contains(expected), "{expected}:\n{text}");
        }
    }

    #[test]
    fn json_has_them_too() {
        let object: Value = serde_json::from_str(&shown(Progress::Json)).unwrap();
        assert_eq!(object["code"], "http::exhausted");
        assert_eq!(object["related"][1]["causes"][0], "nobody is there");
        assert!(object["help"].as_str().unwrap().contains("--mirror"));
    }
}
