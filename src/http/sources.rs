//! The mirrors in apt's sources of this machine: where packages can be fetched from nearby.
//!
//! Both forms are known (sources.list(5)): a line for each entry, and paragraphs of deb822. Only addresses and suites are
//! read. What is fetched from them is checked like anything else, so that nothing of the host enters an image.

/// A repository that this machine's apt uses.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct HostMirror {
    /// Its address, without a slash at the end.
    pub url: String,
    /// The suites that are taken from it: `trixie`, `trixie-updates`.
    pub suites: Vec<String>,
}

/// The mirrors in the text of a `sources.list` file: `deb [options] URL SUITE COMPONENT...`.
pub fn mirrors_in_list(text: &str) -> Vec<HostMirror> {
    let mut mirrors = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some(rest) = line.strip_prefix("deb ").map(str::trim_start) else { continue };
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']').map_or("", |(_, rest)| rest),
            None => rest,
        };
        let mut words = rest.split_ascii_whitespace();
        if let (Some(url), Some(suite)) = (words.next(), words.next()) {
            add(&mut mirrors, url, &[suite]);
        }
    }
    mirrors
}

/// The mirrors in the text of a `.sources` file: paragraphs with `URIs` and `Suites`.
pub fn mirrors_in_deb822(text: &str) -> Vec<HostMirror> {
    let mut mirrors = Vec::new();
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines.push("");
    for paragraph in lines.split(|line| line.trim().is_empty()) {
        if field(paragraph, "Enabled").is_some_and(|value| matches!(value.as_str(), "no" | "false")) {
            continue;
        }
        let types = field(paragraph, "Types").unwrap_or_default();
        let suites = field(paragraph, "Suites").unwrap_or_default();
        let suites: Vec<&str> = suites.split_ascii_whitespace().collect();
        if types.split_ascii_whitespace().any(|kind| kind == "deb") && !suites.is_empty() {
            for url in field(paragraph, "URIs").unwrap_or_default().split_ascii_whitespace() {
                add(&mut mirrors, url, &suites);
            }
        }
    }
    mirrors
}

/// Adds suites to a mirror, which may be there already. Lists of mirrors and media are no mirrors.
fn add(mirrors: &mut Vec<HostMirror>, url: &str, suites: &[&str]) {
    if !["http://", "https://", "file:"].iter().any(|scheme| url.starts_with(scheme)) {
        return;
    }
    let url = url.trim_end_matches('/');
    let place = mirrors.iter().position(|mirror| mirror.url == url).unwrap_or_else(|| {
        mirrors.push(HostMirror { url: url.to_owned(), suites: Vec::new() });
        mirrors.len() - 1
    });
    for suite in suites {
        let known = &mut mirrors[place].suites;
        if !known.iter().any(|known| known == suite) {
            known.push((*suite).to_owned());
        }
    }
}

/// A field of a paragraph with its continuation lines; names are compared without regard to case.
fn field(paragraph: &[&str], name: &str) -> Option<String> {
    let mut lines = paragraph
        .iter()
        .skip_while(|line| !line.split_once(':').is_some_and(|(found, _)| found.eq_ignore_ascii_case(name)));
    let mut value = lines.next()?.split_once(':')?.1.trim().to_owned();
    for line in lines.take_while(|line| line.starts_with([' ', '\t'])) {
        value.push(' ');
        value.push_str(line.trim());
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mirror(url: &str, suites: &[&str]) -> HostMirror {
        HostMirror { url: url.to_owned(), suites: suites.iter().map(|suite| (*suite).to_owned()).collect() }
    }

    #[test]
    fn lists() {
        let text = "# deb http://no.example/debian x main\ndeb http://a.example/debian/ trixie main # yes\n\
                    deb [signed-by=/x y=z] http://a.example/debian trixie-updates main\ndeb-src http://b.example/ x main\n\
                    deb cdrom:[x]/ trixie main\ndeb [broken http://c.example/ x\ndeb http://c.example\n";
        assert_eq!(mirrors_in_list(text), [mirror("http://a.example/debian", &["trixie", "trixie-updates"])]);
    }

    #[test]
    fn paragraphs() {
        let text = "Types: deb deb-src\nURIs: http://a.example/debian\nSuites: trixie\n trixie-updates\n# no\nComponents: main\n\
                    \nEnabled: no\nTypes: deb\nURIs: http://b.example\nSuites: x\n\n\n\
                    types: deb\nuris: https://c.example/ mirror+file:/etc/x\nsuites: trixie-security\n\n\
                    Types: deb-src\nURIs: http://d.example\nSuites: x";
        assert_eq!(
            mirrors_in_deb822(text),
            [
                mirror("http://a.example/debian", &["trixie", "trixie-updates"]),
                mirror("https://c.example", &["trixie-security"])
            ]
        );
    }
}
