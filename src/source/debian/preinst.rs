//! Which preinst scripts have nothing to do on a first installation.
//!
//! Most only deal with upgrades: they ask for `"$1" = upgrade`, or call dpkg-maintscript-helper, which does nothing when
//! there is no old version (dpkg-maintscript-helper(1)). What is not certainly of that kind counts as working.

/// Whether a preinst script, where there is one, may do something on a first installation.
pub(super) fn works(script: Option<&[u8]>) -> bool {
    let Some(script) = script else { return false };
    let Ok(text) = std::str::from_utf8(script) else { return true };
    let mut lines = text.lines();
    let shell = lines.next().is_some_and(|line| {
        let line = line.strip_prefix("#!").unwrap_or_default().trim();
        ["/bin/sh", "/bin/sh -e", "/bin/bash", "/bin/bash -e", "/bin/dash"].contains(&line)
    });
    !(shell && Idle::default().reads(lines))
}

/// Reads a script line by line, as long as nothing in it does anything on a first installation.
#[derive(Default)]
struct Idle {
    open: Vec<Block>,
    /// A line that goes on in the next.
    begun: String,
}

/// A block of the script that is not closed yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    /// `if` that asks for an upgrade.
    UpgradeIf,
    /// `case "$1" in`, between branches.
    Case,
    /// A branch that a first installation takes.
    Taken,
    /// A branch that it passes by.
    Passed,
    /// Any block inside one that is passed by.
    Nested,
}

const OPENING: [&str; 5] = ["if", "case", "for", "while", "until"];
const CLOSING: [&str; 3] = ["fi", "esac", "done"];

impl Idle {
    fn reads<'a>(mut self, lines: impl Iterator<Item = &'a str>) -> bool {
        for line in lines {
            let line = line.trim();
            if let Some(begun) = line.strip_suffix('\\') {
                self.begun.push_str(begun);
                continue;
            }
            let whole = std::mem::take(&mut self.begun) + line;
            if !whole.is_empty() && !whole.starts_with('#') && !self.line(&whole) {
                return false;
            }
        }
        self.open.is_empty() && self.begun.is_empty()
    }

    /// Whether the line does nothing on a first installation, as far as this can be seen.
    fn line(&mut self, line: &str) -> bool {
        // Here documents could hold anything that looks like the end of a block.
        if line.contains("<<") {
            return false;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match self.open.last() {
            Some(Block::UpgradeIf | Block::Passed | Block::Nested) => self.passed(&words),
            Some(Block::Case) => self.between_branches(&words, line),
            Some(Block::Taken) if words == [";;"] => {
                self.open.pop();
                self.open.push(Block::Case);
                true
            }
            Some(Block::Taken) | None => self.executed(&words, line),
        }
    }

    /// A line that a first installation comes to.
    fn executed(&mut self, words: &[&str], line: &str) -> bool {
        match words[0] {
            "set" => words.len() == 2 && ["-e", "-u", "-eu", "-ue"].contains(&words[1]),
            "exit" => words == ["exit", "0"],
            ":" | "true" => words.len() == 1,
            "dpkg-maintscript-helper" => helper(words),
            "if" if asks_for_upgrade(line) => {
                self.open.push(Block::UpgradeIf);
                true
            }
            "case" if words.len() == 3 && words[1].trim_matches('"') == "$1" && words[2] == "in" => {
                self.open.push(Block::Case);
                true
            }
            _ => false,
        }
    }

    /// A line in a block that is passed by: only where that ends matters.
    fn passed(&mut self, words: &[&str]) -> bool {
        let (first, last) = (words[0], words[words.len() - 1]);
        let opens = OPENING.contains(&first);
        let closes = CLOSING.contains(&first.trim_end_matches(';'));
        // The end of a block and of the branch that it is in, in one line.
        if last.ends_with(";;") && (opens || closes) {
            return false;
        }
        if opens && CLOSING.contains(&last.trim_end_matches(';')) {
            return true;
        }
        // A block that opens in the middle of a line would be lost count of.
        if !opens && first != "else" && first != "elif" && ["then", "do", "in"].contains(&last) {
            return ["then", "do"].contains(&first) && words.len() == 1;
        }
        match self.open.last() {
            _ if opens => self.open.push(Block::Nested),
            Some(Block::UpgradeIf) if first == "else" || first == "elif" => return false,
            Some(Block::Passed) if last.ends_with(";;") => {
                self.open.pop();
                self.open.push(Block::Case);
            }
            Some(Block::Passed) if first == "esac" => {
                self.open.pop();
            }
            Some(Block::UpgradeIf) if first == "fi" => {
                self.open.pop();
            }
            Some(Block::Nested) if closes => {
                self.open.pop();
            }
            _ => {}
        }
        true
    }

    fn between_branches(&mut self, words: &[&str], line: &str) -> bool {
        self.open.pop();
        if words == ["esac"] {
            return true;
        }
        let Some((pattern, rest)) = line.split_once(')') else { return false };
        let installs = |name: &str| ["install", "*"].contains(&name.trim().trim_matches(['"', '\'']));
        let taken = pattern.trim_start_matches('(').split('|').any(installs);
        let (rest, closed) = match rest.trim().strip_suffix(";;") {
            Some(rest) => (rest.trim(), true),
            None => (rest.trim(), false),
        };
        self.open.push(if closed {
            Block::Case
        } else if taken {
            Block::Taken
        } else {
            Block::Passed
        });
        !taken || rest.is_empty() || rest == ":" || rest == "exit 0"
    }
}

/// Whether the call does nothing where no version was installed before: its command only moves or removes what an old
/// version left, and the arguments of the script are passed on.
fn helper(words: &[&str]) -> bool {
    let commands = ["rm_conffile", "mv_conffile", "symlink_to_dir", "dir_to_symlink"];
    let ends = words.ends_with(&["--", "\"$@\""]);
    let plain = words.iter().all(|word| !word.contains([';', '&', '`', '<', '>']) && !word.contains("$("));
    ends && plain && words.get(1).is_some_and(|command| commands.contains(command))
}

/// Whether an `if` line asks just for an upgrade.
fn asks_for_upgrade(line: &str) -> bool {
    let condition = line.trim_start_matches("if ").trim_end_matches("then").trim().trim_end_matches(';').trim();
    let condition = condition.replace('"', "");
    let first = condition.split("&&").next().unwrap_or_default().trim();
    let alone = !condition.contains("||") && !condition.contains(" -o ");
    alone && ["[ $1 = upgrade ]", "[ upgrade = $1 ]", "[ $1 = upgrade -a -n $2 ]"].contains(&first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(body: &str) -> bool {
        !works(Some(format!("#!/bin/sh\n{body}").as_bytes()))
    }

    #[test]
    fn scripts_about_upgrades_are_idle() {
        assert!(!works(None));
        assert!(idle("set -e\n# comment\n"));
        assert!(idle("set -e\ndpkg-maintscript-helper rm_conffile /etc/x 1.0~ -- \"$@\"\n"));
        assert!(idle("dpkg-maintscript-helper symlink_to_dir \\\n  /a /b 1~ p -- \"$@\"\nexit 0\n"));
        assert!(idle("if [ \"$1\" = \"upgrade\" ]; then\n  if true; then\n rm /x\n fi\nfi\n"));
        assert!(idle("case \"$1\" in\n upgrade)\n  rm -f /x\n  ;;\n install|abort-upgrade)\n ;;\nesac\n"));
        assert!(idle("case \"$1\" in\n upgrade) rm /x ;;\n *) ;;\nesac\n"));
    }

    #[test]
    fn all_other_scripts_work() {
        assert!(!idle("adduser --system x\n"));
        assert!(!idle("set -e\nif [ \"$1\" = install ]; then\n adduser x\nfi\n"));
        assert!(!idle("if [ \"$1\" = upgrade ]; then\n :\nelse\n adduser x\nfi\n"));
        assert!(!idle("if [ \"$1\" = upgrade ] || true; then\n adduser x\nfi\n"));
        assert!(!idle("case \"$1\" in\n install|upgrade)\n adduser x\n ;;\nesac\n"));
        assert!(!idle("case \"$1\" in\n upgrade) ;;\n *) adduser x ;;\nesac\n"));
        for end in ["if true; then rm /x; fi;;", "if true; then\n rm /x\n fi;;", "if true; then\n rm /x\n fi ;;"] {
            let case = "case \"$1\" in\n upgrade)\n {}\n install)\n adduser x\n ;;\nesac\n";
            assert!(!idle(&case.replace("{}", end)), "{end}");
        }
        assert!(!idle("dpkg-maintscript-helper rm_conffile /etc/x 1.0~ -- \"$@\"; adduser x\n"));
        assert!(!idle("dpkg-maintscript-helper rm_conffile /etc/x $(touch /y) -- \"$@\"\n"));
        assert!(!idle("if [ \"$1\" = upgrade ]; then\n cat <<E\nfi\nE\nfi\nadduser x\n"));
        assert!(!idle("if [ \"$1\" = upgrade ]; then\n x\n"));
        assert!(works(Some(b"#!/usr/bin/perl\nset -e\n")));
        assert!(works(Some(b"\x7fELF\xff")));
    }
}
