//! Patterns of `[prune]` in dpkg's language: that of fnmatch(3) without flags, of which wildcards match slashes too, and which knows
//! no braces.

/// Lines up to which one pattern is written out.
const MOST_LINES: usize = 256;

/// Bytes up to which dpkg surely takes a pattern: its lines have at most 1023 (lib/dpkg/options.c).
const LONGEST: usize = 960;

/// Patterns for dpkg that match all that `pattern` names and what is below, and maybe more. None where its language has none.
pub(super) fn with_content(pattern: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    for plain in without_braces(pattern)? {
        for line in across_folders(&plain)? {
            // What ends with `/**` is what is below already.
            let below = (!plain.ends_with("/**")).then(|| format!("{}/*", line.trim_end_matches('/')));
            for line in std::iter::once(line).chain(below) {
                if !fits_in_a_line(&line) {
                    return None;
                }
                if !found.contains(&line) {
                    found.push(line);
                }
            }
        }
        if found.len() > MOST_LINES {
            return None;
        }
    }
    Some(found)
}

/// Whether dpkg reads a pattern from its configuration as it is written there.
pub(super) fn fits_in_a_line(pattern: &str) -> bool {
    pattern.len() <= LONGEST && !pattern.contains(char::is_control) && !pattern.ends_with(char::is_whitespace)
}

/// Whether two patterns can match the same path, by what is before their wildcards; it may be said of some that cannot.
pub(super) fn may_meet(one: &str, other: &str) -> bool {
    let plain = |pattern: &str| pattern.find(['*', '?', '[', '{', '\\']).unwrap_or(pattern.len());
    let (one, other) = (&one[..plain(one)], &other[..plain(other)]);
    one.starts_with(other) || other.starts_with(one)
}

/// The patterns without braces that a pattern stands for.
fn without_braces(pattern: &str) -> Option<Vec<String>> {
    let (mut open, mut plain) = (vec![pattern.to_owned()], Vec::new());
    while let Some(pattern) = open.pop() {
        match first_braces(&pattern)? {
            None => plain.push(pattern),
            Some(Braces { before, mut choices, after }) => {
                // What the matcher makes of these depends on what is before the braces.
                if choices.iter().any(|choice| choice.starts_with("**")) {
                    return None;
                }
                // It passes over empty ones.
                choices.retain(|choice| !choice.is_empty());
                if choices.is_empty() {
                    choices.push("");
                }
                open.extend(choices.iter().rev().map(|choice| format!("{before}{choice}{after}")));
            }
        }
        if open.len() + plain.len() > MOST_LINES {
            return None;
        }
    }
    Some(plain)
}

/// The first braces of a pattern, and what is around them.
struct Braces<'a> {
    before: &'a str,
    choices: Vec<&'a str>,
    after: &'a str,
}

/// The first braces of a pattern, if it has any; none of the two where dpkg would read what is in it differently.
#[expect(clippy::option_option, reason = "no braces are not a pattern that cannot be said")]
fn first_braces(pattern: &str) -> Option<Option<Braces<'_>>> {
    let (mut at, mut depth, mut start) = (0, 0, 0);
    let (mut before, mut choices) = ("", Vec::new());
    while let Some(character) = pattern[at..].chars().next() {
        let next = at + token(&pattern[at..])?;
        match character {
            '{' => {
                depth += 1;
                if depth == 1 {
                    (before, start) = (&pattern[..at], next);
                }
            }
            ',' if depth == 1 => {
                choices.push(&pattern[start..at]);
                start = next;
            }
            '}' if depth == 1 => {
                choices.push(&pattern[start..at]);
                return Some(Some(Braces { before, choices, after: &pattern[next..] }));
            }
            '}' => depth -= 1,
            _ => {}
        }
        at = next;
    }
    Some(None)
}

/// The length of what a pattern starts with: a character, one behind a backslash, or a class. None for a class that dpkg reads
/// differently from the matcher.
fn token(pattern: &str) -> Option<usize> {
    let mut characters = pattern.char_indices();
    match characters.next()? {
        (_, '\\') => characters.next().map(|(at, character)| at + character.len_utf8()),
        (_, '[') => {
            let inside = &pattern[1..];
            let negation = usize::from(inside.starts_with(['!', '^']));
            // A bracket in the first place is a character of the class.
            let end = 1 + negation + 1 + inside.get(negation + 1..)?.find(']')?;
            let class = &pattern[1..end];
            let is_plain = class.is_ascii() && !class.contains(['\\', '[', '/']);
            is_plain.then_some(end + 1)
        }
        (_, character) => Some(character.len_utf8()),
    }
}

/// Patterns of which `*` stands for `**` too, which matches no folder as well as some.
fn across_folders(plain: &str) -> Option<Vec<String>> {
    let components: Vec<&str> = plain.split('/').skip(1).collect();
    let mut lines = vec![String::new()];
    for (at, component) in components.iter().enumerate() {
        if *component == "**" && at + 1 < components.len() {
            let with: Vec<String> = lines.iter().map(|line| format!("{line}/*")).collect();
            lines.extend(with);
        } else {
            let component = if *component == "**" { "*" } else { component };
            lines.iter_mut().for_each(|line| *line = format!("{line}/{component}"));
        }
        if lines.len() > MOST_LINES {
            return None;
        }
    }
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_written_out() {
        for (pattern, expected) in [
            ("/etc/motd", &["/etc/motd", "/etc/motd/*"][..]),
            ("/usr/share/doc/**", &["/usr/share/doc/*"]),
            ("/usr/**/copyright", &["/usr/copyright", "/usr/copyright/*", "/usr/*/copyright", "/usr/*/copyright/*"]),
            ("/a{b,c/{d,e?}}f", &["/abf", "/abf/*", "/ac/df", "/ac/df/*", "/ac/e?f", "/ac/e?f/*"]),
            ("/x/{a,,b}/**", &["/x/a/*", "/x/b/*"]),
            ("/x/{a/**,b}", &["/x/a/*", "/x/b", "/x/b/*"]),
            ("/x{}", &["/x", "/x/*"]),
            ("/{a,a}", &["/a", "/a/*"]),
            (r"/\{a,b\}[{,}]\**", &[r"/\{a,b\}[{,}]\**", r"/\{a,b\}[{,}]\**/*"]),
            ("/[]}!]{a,[^,]}", &["/[]}!]a", "/[]}!]a/*", "/[]}!][^,]", "/[]}!][^,]/*"]),
            ("/", &["/", "/*"]),
        ] {
            assert!(pattern.parse::<crate::recipe::PathPattern>().is_ok(), "{pattern}");
            assert_eq!(with_content(pattern).unwrap(), expected, "{pattern}");
        }
    }

    #[test]
    fn what_dpkg_would_read_differently_is_not_written() {
        let many = format!("/{}", "{a,b}".repeat(40));
        let long = format!("/{}", "abc/".repeat(400));
        for pattern in [
            "/x\npath-exclude /*",
            "/x ",
            "/[[:alpha:]x]",
            r"/[\]]",
            "/[a-ü]",
            "/x/{a,b }",
            "/x/{**/a,b}",
            &many,
            &long,
        ] {
            assert_eq!(with_content(pattern), None, "{pattern}");
        }
        assert!(fits_in_a_line("/a b") && !fits_in_a_line("/a "));
    }

    #[test]
    fn patterns_meet_where_one_may_be_within_the_other() {
        assert!(may_meet("/usr/share/doc/*", "/usr/share/doc/a[[:alpha:]]") && may_meet("/opt/tool", "/opt/{a,b}"));
        assert!(
            may_meet("/opt/tool/share/*", "/opt/t*") && !may_meet("/usr/share/man/*", "/usr/share/doc/[[:alpha:]]")
        );
    }
}
