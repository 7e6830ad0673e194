//! The proxies in apt's configuration.
//!
//! apt.conf is a tree of names, written flat (`Acquire::http::Proxy "x";`) or nested (`Acquire { http { Proxy "x"; }; };`),
//! with comments of C and `#` (apt.conf(5)). Only what concerns proxies is read.

use std::collections::BTreeMap;

/// `Acquire::<scheme>::Proxy` and `Acquire::<scheme>::Proxy::<host>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AptProxies(BTreeMap<String, String>);

impl AptProxies {
    /// The proxies in the text of apt.conf files, one after the other. What cannot be read is passed over, as another
    /// program's configuration is no reason to stop.
    pub fn parse(text: &str) -> Self {
        let mut found = BTreeMap::new();
        let mut scopes: Vec<String> = Vec::new();
        let mut statement: Vec<String> = Vec::new();
        for token in tokens(text) {
            match token {
                Token::Word(word) => statement.push(word),
                Token::Open => {
                    scopes.push(statement.first().cloned().unwrap_or_default());
                    statement.clear();
                }
                Token::Close => {
                    scopes.pop();
                    statement.clear();
                }
                Token::End => {
                    if let [name, value] = statement.as_slice() {
                        let path = scopes.iter().chain([name]).cloned().collect::<Vec<_>>().join("::");
                        let path = path.to_ascii_lowercase();
                        if path.starts_with("acquire::") && path.contains("::proxy") {
                            found.insert(path, value.clone());
                        }
                    }
                    statement.clear();
                }
            }
        }
        Self(found)
    }

    /// What is set for `host`, else for the scheme: a proxy's address or `DIRECT`. apt asks the proxy of http for https
    /// too, where https has none.
    pub(super) fn proxy_for(&self, scheme: &str, host: &str) -> Option<&str> {
        let host = host.to_ascii_lowercase();
        let of = |scheme: &str| {
            let general = format!("acquire::{scheme}::proxy");
            self.0.get(&format!("{general}::{host}")).or_else(|| self.0.get(&general))
        };
        of(scheme).or_else(|| of("http").filter(|_| scheme == "https")).map(String::as_str)
    }
}

enum Token {
    Word(String),
    Open,
    Close,
    End,
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after = &rest[first.len_utf8()..];
        rest = match first {
            '{' | '}' | ';' => {
                tokens.push(match first {
                    '{' => Token::Open,
                    '}' => Token::Close,
                    _ => Token::End,
                });
                after
            }
            '"' => {
                let (word, after) = after.split_once('"').unwrap_or((after, ""));
                tokens.push(Token::Word(word.to_owned()));
                after
            }
            '#' => after.split_once('\n').map_or("", |(_, after)| after),
            '/' if after.starts_with('/') => after.split_once('\n').map_or("", |(_, after)| after),
            '/' if after.starts_with('*') => after.split_once("*/").map_or("", |(_, after)| after),
            space if space.is_whitespace() => after,
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || "{};\"".contains(c)).unwrap_or(rest.len());
                tokens.push(Token::Word(rest[..end].to_owned()));
                &rest[end..]
            }
        };
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_and_nested_forms() {
        let text = "// a comment\nAcquire::HTTP::Proxy \"http://one.example:3142/\"; /* x\n*/\n# y\n\
                    APT::Install-Recommends \"0\";\n\
                    Acquire { http { Proxy { a.example \"DIRECT\"; }; }; Retries 3; }\n";
        let proxies = AptProxies::parse(text);
        assert_eq!(proxies.proxy_for("http", "b.example"), Some("http://one.example:3142/"));
        assert_eq!(proxies.proxy_for("https", "b.example"), Some("http://one.example:3142/"));
        assert_eq!(proxies.proxy_for("http", "A.example"), Some("DIRECT"));
        assert_eq!(proxies.proxy_for("ftp", "a.example"), None);
    }

    #[test]
    fn broken_texts_give_nothing() {
        for text in ["", "}}}", "Acquire::http::Proxy \"http://x", "Acquire { http { Proxy", "::::;;;{", "/*"] {
            assert_eq!(AptProxies::parse(text), AptProxies::default(), "{text}");
        }
    }
}
