//! apt's own configuration: where the host gets its packages from, and where an image shall.
//!
//! sources.list(5) in both forms, and the proxies of apt.conf(5). Files of the host only say which mirror is near; nothing
//! of them enters an image or a lock.

use miette::Diagnostic;
use thiserror::Error;

use crate::source::debian::deb822::{self, Deb822Error, Paragraph, Value};
use crate::source::debian::distribution::Distribution;

/// One entry of a sources file: every suite from every URI.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// `deb`, `deb-src`.
    pub types: Vec<String>,
    /// Where the archives are.
    pub uris: Vec<String>,
    /// The suites; one that ends with `/` is a folder of a flat repository.
    pub suites: Vec<String>,
    /// The components; none for a flat repository.
    pub components: Vec<String>,
    /// The keyring, as a path, fingerprints or an armoured block.
    pub signed_by: Option<String>,
}

/// The mirrors that a host uses for a distribution, nearest to the front.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirrors {
    /// For the releases and their updates.
    pub main: Vec<String>,
    /// For security updates.
    pub security: Vec<String>,
}

/// What is wrong with a sources file.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
pub enum AptSourcesError {
    /// A line of the one-line form.
    #[error("cannot read line {line} of apt's sources: {reason}")]
    #[diagnostic(help("a line looks like `deb [signed-by=FILE] http://ftp.debian.org/debian trixie main`"))]
    BadLine {
        /// Where, from 1.
        line: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// Not deb822.
    #[error("cannot read apt's sources")]
    #[diagnostic(help("files whose names end with .sources have paragraphs of `Field: value` lines"))]
    NotControlFile(#[from] Deb822Error),
    /// A paragraph lacks a field.
    #[error("a paragraph of apt's sources has no `{field}`")]
    #[diagnostic(help("every paragraph says Types, URIs and Suites"))]
    NoField {
        /// The field.
        field: &'static str,
    },
}

/// Reads a file of the one-line form (`sources.list`).
pub fn parse_list(text: &str) -> Result<Vec<Source>, AptSourcesError> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    let entries = lines.map(|(number, line)| (number, line.split_once('#').map_or(line, |(before, _)| before).trim()));
    entries
        .filter(|(_, line)| !line.is_empty())
        .map(|(line, text)| parse_line(text).map_err(|reason| AptSourcesError::BadLine { line, reason }))
        .collect()
}

/// Reads a file of the deb822 form (`*.sources`). Paragraphs that say `Enabled: no` are left out.
pub fn parse_deb822(text: &str) -> Result<Vec<Source>, AptSourcesError> {
    let enabled = |paragraph: &Paragraph<'_>| {
        !paragraph.field("Enabled").is_some_and(|value| ["no", "false", "0"].contains(&value.raw()))
    };
    deb822::paragraphs(text)
        .filter(|paragraph| paragraph.as_ref().map_or(true, enabled))
        .map(|paragraph| parse_paragraph(&paragraph?))
        .collect()
}

/// The mirrors that a host's sources name for a distribution. `files` are paths with their texts; what cannot be read is
/// passed over, since another mirror always exists.
pub fn mirrors(files: &[(&str, &str)], distribution: Distribution) -> Mirrors {
    let mut mirrors = Mirrors::default();
    for (path, text) in files {
        let sources = if path.ends_with(".sources") { parse_deb822(text) } else { parse_list(text) };
        for source in sources.unwrap_or_default() {
            let binary = source.types.iter().any(|kind| kind == "deb");
            for suite in source.suites.iter().filter(|_| binary) {
                if Distribution::of_suite(suite) != Some(distribution) {
                    continue;
                }
                let list = if suite.ends_with("-security") { &mut mirrors.security } else { &mut mirrors.main };
                for uri in source.uris.iter().filter(|uri| is_fetchable(uri)) {
                    let uri = uri.trim_end_matches('/').to_owned();
                    if !list.contains(&uri) {
                        list.push(uri);
                    }
                }
            }
        }
    }
    mirrors
}

/// The proxies that a file of apt.conf sets, by the scheme they are for: `Acquire::http::Proxy "http://proxy:3128";`,
/// in this form or in braces. `DIRECT` means none, and is given as it is.
pub fn proxies(text: &str) -> Vec<(String, String)> {
    let mut proxies: Vec<(String, String)> = Vec::new();
    let mut scopes: Vec<String> = Vec::new();
    let mut words: Vec<String> = Vec::new();
    for token in conf_tokens(text) {
        match token.as_str() {
            "{" => scopes.push(std::mem::take(&mut words).join("::")),
            "}" => {
                scopes.pop();
                words.clear();
            }
            ";" => {
                if let [name, value] = &std::mem::take(&mut words)[..] {
                    let all = scopes.iter().chain([name]).map(String::as_str).collect::<Vec<_>>().join("::");
                    let parts: Vec<_> = all.split("::").filter(|part| !part.is_empty()).collect();
                    if let [acquire, scheme, proxy] = parts[..]
                        && acquire.eq_ignore_ascii_case("Acquire")
                        && proxy.eq_ignore_ascii_case("Proxy")
                    {
                        let scheme = scheme.to_ascii_lowercase();
                        proxies.retain(|(known, _)| *known != scheme);
                        proxies.push((scheme, value.clone()));
                    }
                }
            }
            _ => words.push(token),
        }
    }
    proxies
}

/// A file of the deb822 form, as the official images of trixie and later have it.
pub fn write_deb822(sources: &[Source]) -> String {
    let paragraphs = sources.iter().map(|source| {
        let mut text = format!(
            "Types: {}\nURIs: {}\nSuites: {}\n",
            source.types.join(" "),
            source.uris.join(" "),
            source.suites.join(" ")
        );
        if !source.components.is_empty() {
            text += &format!("Components: {}\n", source.components.join(" "));
        }
        if let Some(keyring) = &source.signed_by {
            text += &format!("Signed-By: {keyring}\n");
        }
        text
    });
    paragraphs.collect::<Vec<_>>().join("\n")
}

/// A file of the one-line form, for releases before trixie. One line a type, URI and suite. A keyring can only be a path
/// or a fingerprint here.
pub fn write_list(sources: &[Source]) -> String {
    let mut text = String::new();
    for source in sources {
        let option = source.signed_by.as_ref().map_or(String::new(), |keyring| format!("[signed-by={keyring}] "));
        for kind in &source.types {
            for uri in &source.uris {
                for suite in &source.suites {
                    let line = format!("{kind} {option}{uri} {suite} {}", source.components.join(" "));
                    text += line.trim_end();
                    text.push('\n');
                }
            }
        }
    }
    text
}

fn parse_line(line: &str) -> Result<Source, &'static str> {
    let (kind, rest) = line.split_once([' ', '\t']).ok_or("there is nothing after the type")?;
    if !["deb", "deb-src"].contains(&kind) {
        return Err("it does not start with `deb` or `deb-src`");
    }
    let mut source = Source { types: vec![kind.to_owned()], ..Source::default() };
    let mut rest = rest.trim_start();
    if let Some(after) = rest.strip_prefix('[') {
        let (options, after) = after.split_once(']').ok_or("the `[` is not closed")?;
        let signed_by = options.split_ascii_whitespace().find_map(|option| option.strip_prefix("signed-by="));
        source.signed_by = signed_by.map(str::to_owned);
        rest = after;
    }
    let mut words = rest.split_ascii_whitespace().map(str::to_owned);
    source.uris.push(words.next().ok_or("there is no URI")?);
    source.suites.push(words.next().ok_or("there is no suite")?);
    source.components = words.collect();
    if source.components.is_empty() && !source.suites[0].ends_with('/') {
        return Err("there is no component after the suite");
    }
    Ok(source)
}

fn parse_paragraph(paragraph: &Paragraph<'_>) -> Result<Source, AptSourcesError> {
    let words = |field| -> Vec<String> {
        paragraph.field(field).into_iter().flat_map(Value::words).map(str::to_owned).collect()
    };
    let needed = |field| match words(field) {
        found if found.is_empty() => Err(AptSourcesError::NoField { field }),
        found => Ok(found),
    };
    Ok(Source {
        types: needed("Types")?,
        uris: needed("URIs")?,
        suites: needed("Suites")?,
        components: words("Components"),
        signed_by: paragraph.field("Signed-By").map(|value| value.raw().to_owned()),
    })
}

fn is_fetchable(uri: &str) -> bool {
    ["http://", "https://", "file:/"].iter().any(|scheme| uri.starts_with(scheme))
}

/// Words, quoted texts without their quotes, and the signs `{`, `}`, `;`. Comments are left out.
fn conf_tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("//") || (first == '#') {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
        } else if rest.starts_with("/*") {
            rest = rest.split_once("*/").map_or("", |(_, after)| after);
        } else if let Some(after) = rest.strip_prefix('"') {
            let (quoted, after) = after.split_once('"').unwrap_or((after, ""));
            tokens.push(quoted.to_owned());
            rest = after;
        } else if "{};".contains(first) {
            tokens.push(first.to_string());
            rest = &rest[1..];
        } else if first.is_whitespace() {
            rest = &rest[first.len_utf8()..];
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || "{};\"".contains(c)).unwrap_or(rest.len());
            tokens.push(rest[..end].to_owned());
            rest = &rest[end..];
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEB822: &str = "# near\nTypes: deb deb-src\nURIs: http://a.example/debian/\nSuites: bookworm bookworm-updates\n\
                          Components: main\nSigned-By: /k.gpg\n\nTypes: deb\nURIs: https://s.example/sec\n\
                          Suites: bookworm-security\nComponents: main\n\nEnabled: no\nTypes: deb\nURIs: http://off.example\n\
                          Suites: bookworm\n";
    const LIST: &str = "# comment\ndeb [arch=amd64 signed-by=/k.gpg] http://b.example/debian trixie main contrib # end\n\n\
                        deb-src http://src.example/debian trixie main\ndeb http://vendor.example/repo ./\n\
                        deb cdrom:[x]/ trixie main\n";

    #[test]
    fn both_forms() {
        let sources = parse_deb822(DEB822).unwrap();
        assert_eq!(sources.len(), 2);
        assert_eq!(
            (&sources[0].types[..], &sources[0].suites[1][..]),
            (&["deb".into(), "deb-src".into()][..], "bookworm-updates")
        );
        assert_eq!(sources[0].signed_by.as_deref(), Some("/k.gpg"));
        let sources = parse_list(LIST).unwrap();
        assert_eq!(sources.len(), 4);
        assert_eq!(
            (&sources[0].components[..], sources[0].signed_by.as_deref()),
            (&["main".into(), "contrib".into()][..], Some("/k.gpg"))
        );
        assert_eq!((&sources[2].suites[0][..], sources[2].components.len()), ("./", 0));
    }

    #[test]
    fn mistakes_have_their_place() {
        let wrong = |text| parse_list(text).unwrap_err();
        assert_eq!(
            wrong("\nrpm http://x trixie main"),
            AptSourcesError::BadLine { line: 2, reason: "it does not start with `deb` or `deb-src`" }
        );
        for text in ["deb", "deb ", "deb [a=b http://x y z", "deb http://x", "deb http://x trixie"] {
            wrong(text);
        }
        let error = parse_deb822("Types: deb\nURIs: http://x\n").unwrap_err();
        assert_eq!(error, AptSourcesError::NoField { field: "Suites" });
        assert!(parse_deb822("nonsense").is_err());
    }

    #[test]
    fn mirrors_of_the_host() {
        let files =
            [("/etc/apt/sources.list", LIST), ("/etc/apt/sources.list.d/debian.sources", DEB822), ("broken.list", "x")];
        let found = mirrors(&files, Distribution::Debian);
        assert_eq!(found.main, ["http://b.example/debian", "http://a.example/debian"]);
        assert_eq!(found.security, ["https://s.example/sec"]);
        assert_eq!(mirrors(&files, Distribution::Ubuntu), Mirrors::default());
    }

    #[test]
    fn proxies_in_every_form() {
        let text = "# x\nAcquire::http::Proxy \"http://one:1\"; // y\n/* Acquire::ftp::Proxy \"no\"; */\n\
                    Acquire { https { Proxy \"http://two:2/\"; Timeout \"3\"; }; http::Proxy::host.example \"DIRECT\"; }\n\
                    acquire::HTTP::proxy \"http://three:3\";\nAPT::Proxy \"no\";";
        let found = proxies(text);
        assert_eq!(found, [("https".into(), "http://two:2/".into()), ("http".into(), "http://three:3".into())]);
        assert!(proxies("Acquire::http::Proxy \"unclosed").is_empty());
    }

    #[test]
    fn written_sources_are_read_again() {
        let sources = parse_deb822(DEB822).unwrap();
        assert_eq!(parse_deb822(&write_deb822(&sources)).unwrap(), sources);
        assert_eq!(
            write_deb822(&sources[1..]),
            "Types: deb\nURIs: https://s.example/sec\nSuites: bookworm-security\nComponents: main\n"
        );
        assert_eq!(
            write_list(&sources[..1]),
            "deb [signed-by=/k.gpg] http://a.example/debian/ bookworm main\n\
             deb [signed-by=/k.gpg] http://a.example/debian/ bookworm-updates main\n\
             deb-src [signed-by=/k.gpg] http://a.example/debian/ bookworm main\n\
             deb-src [signed-by=/k.gpg] http://a.example/debian/ bookworm-updates main\n"
        );
        let flat = Source { suites: vec!["./".into()], components: Vec::new(), ..sources[1].clone() };
        assert_eq!(write_list(&[flat]), "deb https://s.example/sec ./\n");
    }
}
