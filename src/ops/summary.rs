//! `lock --update --summary`: what became of a lock as Markdown, so that a scheduled job can open a merge request with it.

use std::fmt::Write;
use std::path::Path;

use crate::lock::Change;
use crate::ops::lock::Updated;
use crate::report::counted;

/// The first line is fit for a title. Security updates come first, then other updates, then what was added and removed.
pub fn markdown(updated: &Updated, recipe: &Path) -> String {
    let mut text = String::new();
    let changes = &updated.changes;
    let recipe = recipe.file_name().unwrap_or(recipe.as_os_str()).to_string_lossy();
    let is_update = |change: &&Change| change.before.is_some() && change.after.is_some();
    let (security, others): (Vec<&Change>, Vec<&Change>) =
        changes.iter().filter(is_update).partition(|change| change.security);
    let added: Vec<&Change> = changes.iter().filter(|change| change.before.is_none()).collect();
    let removed: Vec<&Change> = changes.iter().filter(|change| change.after.is_none()).collect();
    let parts = [
        ("Security updates", &security, counted(security.len(), "security update")),
        ("Other updates", &others, counted(others.len(), "other update")),
        ("Added", &added, format!("{} added", added.len())),
        ("Removed", &removed, format!("{} removed", removed.len())),
    ];
    let parts: Vec<_> = parts.iter().filter(|(_, part, _)| !part.is_empty()).collect();
    let counts: Vec<&str> = parts.iter().map(|(_, _, count)| count.as_str()).collect();
    let title = match (changes.is_empty(), updated.written) {
        (true, true) => "locked for the first time, or for another request".to_owned(),
        (true, false) => "nothing newer".to_owned(),
        _ => counts.join(", "),
    };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "Update {recipe}: {title}");
    for (heading, part, _) in parts {
        let _ = writeln!(text, "\n## {heading}\n\n| package | before | after |\n| --- | --- | --- |");
        for change in *part {
            let Change { name, architecture, before, after, .. } = change;
            let cell = |version: &Option<String>| version.as_ref().map(|it| format!("`{it}`")).unwrap_or_default();
            let _ = writeln!(text, "| `{name}:{architecture}` | {} | {} |", cell(before), cell(after));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(name: &str, before: Option<&str>, after: Option<&str>, security: bool) -> Change {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Change { name: name.into(), architecture: "amd64".into(), before: owned(before), after: owned(after), security }
    }

    fn text(changes: Vec<Change>, written: bool) -> String {
        let updated = Updated { path: "x.lock".into(), written, is_needed: true, changes };
        markdown(&updated, Path::new("recipes/trixie.toml"))
    }

    #[test]
    fn security_updates_come_first_and_apart() {
        let changes = vec![
            change("bash", Some("5.2"), Some("5.3"), false),
            change("libnew", None, Some("1"), true),
            change("old", Some("1"), None, false),
            change("openssl", Some("3.5.1"), Some("3.5.4"), true),
        ];
        let expected = "Update trixie.toml: 1 security update, 1 other update, 1 added, 1 removed\n\n\
            ## Security updates\n\n| package | before | after |\n| --- | --- | --- |\n\
            | `openssl:amd64` | `3.5.1` | `3.5.4` |\n\n\
            ## Other updates\n\n| package | before | after |\n| --- | --- | --- |\n| `bash:amd64` | `5.2` | `5.3` |\n\n\
            ## Added\n\n| package | before | after |\n| --- | --- | --- |\n| `libnew:amd64` |  | `1` |\n\n\
            ## Removed\n\n| package | before | after |\n| --- | --- | --- |\n| `old:amd64` | `1` |  |\n";
        assert_eq!(text(changes, true), expected);
    }

    #[test]
    fn no_changes_have_a_title_all_the_same() {
        assert_eq!(text(Vec::new(), false), "Update trixie.toml: nothing newer\n");
        assert!(text(Vec::new(), true).contains("for the first time"));
    }
}
