//! What a solver says: the table of a transaction that it was told not to begin, or why there is none.

use std::collections::BTreeSet;

use super::super::DnfError;
use super::Choice;
use crate::sandbox::HostOutput;

/// How many lines are shown of an answer that is not understood.
const LAST_LINES: usize = 20;

/// Reads the answer of `program`, which knows `repositories`.
pub(super) fn read(program: &str, output: &HostOutput, repositories: &[&str]) -> Result<Vec<Choice>, DnfError> {
    let choices = table(&output.stdout, repositories);
    let expected = summary(&output.stdout);
    if !choices.is_empty() && expected == Some(choices.len()) {
        return Ok(choices);
    }
    let lines: Vec<&str> = output.stdout.lines().chain(output.stderr.lines()).map(str::trim_end).collect();
    let missing = missing(&lines);
    if !missing.is_empty() {
        return Err(DnfError::NoSuchPackage { names: missing, nearest: Vec::new() });
    }
    let reasons = reasons(&lines);
    if !reasons.is_empty() {
        return Err(DnfError::Unsatisfiable { reasons });
    }
    let said = lines[lines.len().saturating_sub(LAST_LINES)..].iter().map(|line| (*line).to_owned()).collect();
    Err(DnfError::Solver { program: program.to_owned(), said })
}

/// The packages to install. dnf and dnf5 have `name architecture version repository size` in a row, long ones broken into
/// two lines; microdnf has `name-version.architecture repository size`.
fn table(text: &str, repositories: &[&str]) -> Vec<Choice> {
    let mut choices = BTreeSet::new();
    let (mut words, mut taking) = (Vec::new(), false);
    for line in text.lines().chain(["Transaction Summary:"]) {
        let heading = line.trim().strip_suffix(':').filter(|text| !text.contains("  "));
        let is_end = line.starts_with("Transaction Summary");
        if heading.is_none() && !is_end {
            if taking {
                words.extend(line.split_whitespace());
            }
            continue;
        }
        choices.extend(rows(&words, repositories));
        words.clear();
        if is_end {
            break;
        }
        taking = heading.is_some_and(|text| text.starts_with("Installing") && !text.to_lowercase().contains("groups"));
    }
    choices.into_iter().collect()
}

fn rows(words: &[&str], repositories: &[&str]) -> Vec<Choice> {
    let mut found = Vec::new();
    let mut rest = words;
    while let [first, ..] = rest {
        let (choice, taken) = match rest {
            [name, architecture, version, repository, ..]
                if repositories.contains(repository) && is_version(version) && is_word(architecture) =>
            {
                let version = version.strip_prefix("0:").unwrap_or(version);
                (Some((format!("{name}-{version}.{architecture}"), *repository)), 4)
            }
            [nevra, repository, ..] if repositories.contains(repository) && is_nevra(nevra) => {
                (Some(((*first).replace("-0:", "-"), *repository)), 2)
            }
            _ => (None, 1),
        };
        if let Some((nevra, repository)) = choice {
            found.push(Choice { nevra, repository: repository.to_owned() });
        }
        rest = &rest[taken..];
    }
    found
}

fn is_version(text: &str) -> bool {
    text.matches('-').count() == 1 && text.starts_with(|first: char| first.is_ascii_alphanumeric())
}

fn is_word(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_nevra(text: &str) -> bool {
    text.matches('-').count() >= 2 && text.rsplit_once('.').is_some_and(|(_, architecture)| is_word(architecture))
}

/// How many packages are to be installed, as the summary says: `Install  3 Packages`, `Installing: 3 packages`.
fn summary(text: &str) -> Option<usize> {
    let lines = text.lines().skip_while(|line| !line.starts_with("Transaction Summary")).skip(1);
    let mut counts = lines.map(str::trim).filter(|line| line.starts_with("Install"));
    counts.next()?.split_whitespace().find_map(|word| word.parse().ok())
}

/// What was asked for and is not there, quoted.
fn missing(lines: &[&str]) -> Vec<String> {
    let mut names = BTreeSet::new();
    let filtered: BTreeSet<&str> = lines.iter().filter_map(|line| filtered(line)).collect();
    for name in &filtered {
        names.insert(format!("`{name}` (but among what is excluded, or in streams of modules that are not enabled)"));
    }
    for line in lines {
        let after =
            |phrase: &str| line.split_once(phrase).map(|(_, rest)| rest.trim()).filter(|rest| !filtered.contains(rest));
        if let Some(found) = after("No match for argument: ").or_else(|| after("No package matches ")) {
            names.insert(format!("`{}`", found.trim_matches(['\'', '"'])));
        } else if let Some(found) = after("Module or Group '").and_then(|rest| rest.split('\'').next()) {
            names.insert(format!("the group `{found}`"));
        }
    }
    // A last line repeats them all; by itself it counts where nothing else was said.
    if names.is_empty() {
        let all = lines.iter().find_map(|line| line.split_once("Unable to find a match: "));
        names.extend(all.into_iter().flat_map(|(_, all)| all.split_whitespace()).map(|name| format!("`{name}`")));
    }
    names.into_iter().collect()
}

/// What was asked for and is there, but not to be taken: as dnf5 says it, and as dnf 4 does.
fn filtered(line: &str) -> Option<&str> {
    let dnf5 = || line.split_once("Argument '")?.1.split_once("' matches only excluded packages").map(|(name, _)| name);
    let dnf4 = || line.split_once("All matches were filtered out by ")?.1.split_once(" filtering for argument: ");
    dnf5().or_else(|| dnf4().map(|(_, name)| name.trim()))
}

/// The problems, each with its reasons.
fn reasons(lines: &[&str]) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut within = false;
    for line in lines {
        let text = line.trim();
        let starts = text.starts_with("Problem");
        within = starts || within && text.starts_with("- ");
        if within {
            reasons.push(if starts { text.to_owned() } else { format!("  {text}") });
        }
    }
    reasons.dedup();
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(stdout: &str, stderr: &str) -> Result<Vec<Choice>, DnfError> {
        let output = HostOutput { success: false, stdout: stdout.to_owned(), stderr: stderr.to_owned() };
        read("dnf", &output, &["fedora", "updates"])
    }

    fn nevras(choices: &[Choice]) -> Vec<String> {
        choices.iter().map(|choice| format!("{}@{}", choice.nevra, choice.repository)).collect()
    }

    const EXPECTED: [&str; 3] =
        ["a-very-long-name-of-a-package-1:2-3.noarch@updates", "bash-5.2-1.x86_64@fedora", "setup-2-1.noarch@fedora"];

    #[test]
    fn tables_of_dnf_4() {
        let text = "\
Dependencies resolved.
================================================================================
 Package             Arch          Version               Repository        Size
================================================================================
Installing:
 bash                x86_64        5.2-1                 fedora           6.3 k
Installing dependencies:
 a-very-long-name-of-a-package
                     noarch        1:2-3                 updates          6.3 M
 setup               noarch        2-1                   fedora           6.3 k
Installing Environment Groups:
 Core
Skipping packages with conflicts:
(add '--best --allowerasing' to command line to force their upgrade):
 zsh                 x86_64        5-1                   fedora           6.3 k

Transaction Summary
================================================================================
Install  3 Packages
Skip     1 Package

Total size: 13 k
Operation aborted.
";
        assert_eq!(nevras(&answer(text, "").unwrap()), EXPECTED);
        let cut = text.replace("Install  3", "Install  4");
        assert!(matches!(answer(&cut, ""), Err(DnfError::Solver { .. })), "a table that was not understood");
    }

    #[test]
    fn tables_of_dnf5() {
        let text = "\
Updating and loading repositories:
Repositories loaded.
Package                        Arch   Version Repository      Size
Installing:
 bash                          x86_64 0:5.2-1 fedora       8.2 MiB
Installing dependencies:
 a-very-long-name-of-a-package noarch 1:2-3   updates      1.0 KiB
Installing weak dependencies:
 setup                         noarch 0:2-1   fedora       1.0 KiB

Transaction Summary:
 Installing:         3 packages

Total size of inbound packages is 2 MiB. Need to download 2 MiB.
Operation aborted by the user.
";
        assert_eq!(nevras(&answer(text, "").unwrap()), EXPECTED);
    }

    #[test]
    fn tables_of_microdnf() {
        let text = "\
Package                                          Repository  Size
Installing:
 a-very-long-name-of-a-package-1:2-3.noarch      updates     1.0 kB
 bash-5.2-1.x86_64                               fedora      1.9 MB
 setup-2-1.noarch                                fedora    160.6 kB
Transaction Summary:
 Installing:        3 packages
 Reinstalling:      0 packages
 Upgrading:         0 packages
Operation aborted.
";
        assert_eq!(nevras(&answer(text, "").unwrap()), EXPECTED);
    }

    #[test]
    fn refusals() {
        let names = |stdout, stderr| match answer(stdout, stderr) {
            Err(DnfError::NoSuchPackage { names, .. }) => names,
            other => panic!("{other:?}"),
        };
        assert_eq!(names("No match for argument: foo\n", "Error: Unable to find a match: foo\n"), ["`foo`"]);
        assert_eq!(names("", "Error: Unable to find a match: foo bar\n"), ["`bar`", "`foo`"]);
        assert_eq!(names("", "error: No package matches 'foo'\n"), ["`foo`"]);
        let withheld = ["`foo` (but among what is excluded, or in streams of modules that are not enabled)"];
        assert_eq!(names("", "Failed to resolve:\nArgument 'foo' matches only excluded packages.\n"), withheld);
        let modular = "All matches were filtered out by modular filtering for argument: foo\nError: Unable to find a match: foo\n";
        assert_eq!(names("", modular), withheld);
        let group = names("Module or Group 'core' is not available.\n", "Error: Nothing to do.\n");
        assert_eq!(group, ["the group `core`"]);
        let four = "Error: \n Problem: conflicting requests\n  - nothing provides /bin/sh needed by hello-1-1.noarch\n\
                    (try to add '--skip-broken')\n";
        let expected = ["Problem: conflicting requests", "  - nothing provides /bin/sh needed by hello-1-1.noarch"];
        let five = "Failed to resolve the transaction:\nProblem: conflicting requests\n  \
                    - nothing provides /bin/sh needed by hello-1-1.noarch\nYou can try to add to command line:\n";
        let micro = "error: Could not depsolve transaction; 1 problem detected:\n Problem: conflicting requests\n  \
                     - nothing provides /bin/sh needed by hello-1-1.noarch\n";
        for text in [four, five, micro] {
            let Err(DnfError::Unsatisfiable { reasons }) = answer("", text) else { panic!("{text}") };
            assert_eq!(reasons, expected);
        }
        let Err(DnfError::Solver { said, .. }) = answer("a\nb\n", "c\n") else { panic!() };
        assert_eq!(said, ["a", "b", "c"]);
    }
}
