//! Metalinks of repositories: mirrors of one `repomd.xml`, and its digest (<https://www.metalinker.org/>, version 3, with
//! the `alternates` of MirrorManager for the indexes of the last days).

use quick_xml::events::Event;
use quick_xml::{Reader, XmlVersion};

/// What a metalink says.
pub(super) struct Metalink {
    /// Addresses of the repository, above `repodata/`, in the order of preference.
    pub(super) addresses: Vec<String>,
    /// The SHA-256 of the current index, and of those that mirrors may still have.
    pub(super) digests: Vec<String>,
}

/// What an address of the index ends with.
const INDEX: &str = "/repodata/repomd.xml";

/// Reads a metalink; the error says what is wrong with it.
pub(super) fn parse(text: &str) -> Result<Metalink, String> {
    let mut reader = Reader::from_str(text);
    let (mut addresses, mut digests) = (Vec::<(u32, String)>::new(), Vec::new());
    let mut element = String::new();
    let (mut is_sha256, mut preference) = (false, 0);
    let mut content = String::new();
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) => {
                element = start.local_name().into_inner().to_owned();
                content.clear();
                for attribute in start.attributes().flatten() {
                    let value =
                        attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| error.to_string())?;
                    match attribute.key.local_name().into_inner() {
                        "type" => is_sha256 = &*value == "sha256",
                        "preference" => preference = value.parse().unwrap_or(0),
                        _ => {}
                    }
                }
            }
            Event::Text(text) => content.push_str(&text.xml10_content()),
            Event::GeneralRef(reference) => match &*reference {
                "amp" => content.push('&'),
                other => return Err(format!("`&{other};` has no meaning in an address")),
            },
            Event::End(_) => {
                let found = content.trim();
                if element == "hash" && is_sha256 && found.len() == 64 {
                    digests.push(found.to_ascii_lowercase());
                }
                if element == "url"
                    && let Some(base) = found.strip_suffix(INDEX)
                    && ["http://", "https://", "file://"].iter().any(|scheme| base.starts_with(scheme))
                {
                    addresses.push((preference, base.to_owned()));
                }
                element.clear();
                content.clear();
            }
            Event::Eof => break,
            _ => {}
        }
    }
    if addresses.is_empty() || digests.is_empty() {
        return Err("it names no mirror of repodata/repomd.xml, or no sha256 of it".to_owned());
    }
    addresses.sort_by_key(|(preference, _)| std::cmp::Reverse(*preference));
    Ok(Metalink { addresses: addresses.into_iter().map(|(_, address)| address).collect(), digests })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_by_preference_and_digests_with_alternates() {
        let (one, two) = ("a".repeat(64), "B".repeat(64));
        let text = format!(
            r#"<?xml version="1.0"?><metalink version="3.0" xmlns:mm0="x"><files><file name="repomd.xml">
            <verification><hash type="md5">0</hash><hash type="sha256">{one}</hash></verification>
            <mm0:alternates><mm0:alternate><verification><hash type="sha256"> {two} </hash></verification></mm0:alternate></mm0:alternates>
            <resources maxconnections="1">
            <url protocol="rsync" type="rsync" preference="100">rsync://a.example/x/repodata/repomd.xml</url>
            <url protocol="http" type="http" preference="90">http://a.example/x?a=1&amp;b=2/repodata/repomd.xml</url>
            <url protocol="https" type="https" preference="99">https://b.example/x/repodata/repomd.xml</url>
            </resources></file></files></metalink>"#
        );
        let link = parse(&text).unwrap();
        assert_eq!(link.addresses, ["https://b.example/x", "http://a.example/x?a=1&b=2"]);
        assert_eq!(link.digests, [one, two.to_lowercase()]);
        for wrong in ["", "<html>not found</html>", "<metalink><url>", &text.replace("sha256", "sha512")] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
