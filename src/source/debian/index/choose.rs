//! Which files of a suite hold the packages of a component and architecture.

use crate::digest::Digest;
use crate::source::debian::index::IndexError;
use crate::source::debian::release::Release;

/// How an index is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Compression {
    /// `.xz`
    Xz,
    /// `.zst`
    Zstd,
    /// `.gz`
    Gzip,
    /// Not at all.
    Plain,
}

/// One index to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexFile {
    /// Bytes of the text, where the `Release` says so.
    pub text_size: Option<u64>,
    /// What it is to be had as, at least one: the smallest download first.
    pub forms: Vec<Form>,
}

/// A file that has an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// Its path from the folder of the `Release`: `main/binary-amd64/Packages.xz`.
    pub path: String,
    /// The path that never changes its content, where the archive offers it; to be tried first.
    pub by_hash: Option<String>,
    /// Bytes as they are fetched.
    pub size: u64,
    /// The digest of the bytes as they are fetched.
    pub digest: Digest,
    /// How they are compressed.
    pub compression: Compression,
}

/// Smallest download first. Archives list the plain file, but do not keep it where there is another.
const PREFERENCE: [Compression; 4] = [Compression::Xz, Compression::Zstd, Compression::Gzip, Compression::Plain];

/// Texts from this size on are worth a thought about how they come soonest. Debian's main index has 54 MB.
const LARGE: u64 = 8 << 20;

/// Bytes of text that come out of an xz file in a second, on two processors. Out of gzip come ten times as many.
const XZ_SPEED: u64 = 150_000_000;

impl IndexFile {
    /// The forms in the order in which they are to be tried, where `speed` bytes arrive in a second: the smallest
    /// download first, unless the mirror is so near that a larger one which is decompressed faster is there sooner.
    pub fn soonest_first(&self, speed: u64) -> Vec<&Form> {
        let mut forms: Vec<&Form> = self.forms.iter().collect();
        let place = |compression| self.forms.iter().position(|form| form.compression == compression);
        if let (Some(xz), Some(gzip), Some(size)) = (place(Compression::Xz), place(Compression::Gzip), self.text_size)
            && size >= LARGE
            && xz < gzip
        {
            let more = self.forms[gzip].size.saturating_sub(self.forms[xz].size);
            if u128::from(more) * u128::from(XZ_SPEED) < u128::from(size) * u128::from(speed) {
                forms[xz..=gzip].rotate_right(1);
            }
        }
        forms
    }
}

impl Compression {
    /// What the path ends with, the point included.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Xz => ".xz",
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
            Self::Plain => "",
        }
    }
}

/// The indexes that together hold the packages of a component for an architecture (in dpkg's name): one, or a second
/// for the packages of architecture `all` where the suite keeps them apart. A flat repository has no component.
pub fn choose(release: &Release, component: Option<&str>, architecture: &str) -> Result<Vec<IndexFile>, IndexError> {
    let suite = || release.name().to_owned();
    let Some(component) = component else {
        let file = pick(release, "Packages");
        return file
            .map(|file| vec![file])
            .ok_or(IndexError::NotListed { suite: suite(), path: "Packages".to_owned() });
    };
    // apt too asks for `main` where a security archive says `updates/main`.
    let component = component.rsplit_once('/').map_or(component, |(_, name)| name);
    if !release.components.iter().any(|known| known == component) {
        let known = release.components.join(", ");
        return Err(IndexError::NoComponent { suite: suite(), component: component.to_owned(), known });
    }
    let path = |architecture: &str| format!("{component}/binary-{architecture}/Packages");
    let Some(own) = pick(release, &path(architecture)) else {
        let known = release.architectures.iter().filter(|name| *name != "all").cloned().collect::<Vec<_>>();
        return Err(if known.iter().any(|known| known == architecture) {
            IndexError::NotListed { suite: suite(), path: path(architecture) }
        } else {
            IndexError::NoArchitecture {
                suite: suite(),
                architecture: architecture.to_owned(),
                known: known.join(", "),
            }
        });
    };
    let apart = !release.all_in_each && release.architectures.iter().any(|name| name == "all");
    let all = if apart { pick(release, &path("all")) } else { None };
    Ok(std::iter::once(own).chain(all).collect())
}

fn pick(release: &Release, plain: &str) -> Option<IndexFile> {
    let forms = PREFERENCE.into_iter().filter_map(|compression| {
        let path = format!("{plain}{}", compression.suffix());
        let file = release.files.get(&path)?;
        let folder = path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        Some(Form {
            by_hash: release.by_hash.then(|| format!("{folder}by-hash/SHA256/{}", file.digest.hex())),
            size: file.size,
            digest: file.digest,
            compression,
            path,
        })
    });
    let forms: Vec<Form> = forms.collect();
    let text_size = release.files.get(plain).map(|file| file.size);
    (!forms.is_empty()).then_some(IndexFile { text_size, forms })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(paths: &[&str], extra: &str) -> Release {
        let mut text =
            format!("Codename: trixie\nArchitectures: all amd64\nComponents: updates/main\n{extra}SHA256:\n");
        for path in paths {
            text += &format!(" {} {} {path}\n", Digest::of(path.as_bytes()).hex(), path.len());
        }
        Release::parse(&text).unwrap()
    }

    fn paths(release: &Release, component: Option<&str>, architecture: &str) -> Vec<String> {
        let files = choose(release, component, architecture).unwrap();
        files.into_iter().map(|file| file.forms[0].path.clone()).collect()
    }

    const BOTH: [&str; 5] = [
        "main/binary-amd64/Packages",
        "main/binary-amd64/Packages.gz",
        "main/binary-amd64/Packages.xz",
        "main/binary-all/Packages.gz",
        "main/binary-all/Packages.zst",
    ];

    #[test]
    fn the_best_format_and_the_packages_of_all() {
        let apart = release(&BOTH, "");
        assert_eq!(
            paths(&apart, Some("main"), "amd64"),
            ["main/binary-amd64/Packages.xz", "main/binary-all/Packages.zst"]
        );
        assert_eq!(paths(&apart, Some("updates/main"), "amd64").len(), 2);
        let each = release(&BOTH, "No-Support-for-Architecture-all: Packages\n");
        assert_eq!(paths(&each, Some("main"), "amd64"), ["main/binary-amd64/Packages.xz"]);
        assert_eq!(paths(&release(&BOTH[..1], ""), Some("main"), "amd64"), ["main/binary-amd64/Packages"]);
    }

    #[test]
    fn by_hash_and_sizes() {
        let file = &choose(&release(&BOTH, "Acquire-By-Hash: yes\n"), Some("main"), "amd64").unwrap()[0];
        let form = &file.forms[0];
        let hex = Digest::of(b"main/binary-amd64/Packages.xz").hex();
        assert_eq!(form.by_hash, Some(format!("main/binary-amd64/by-hash/SHA256/{hex}")));
        assert_eq!((form.size, file.text_size), (29, Some(26)));
        assert_eq!(choose(&release(&BOTH, ""), Some("main"), "amd64").unwrap()[0].forms[0].by_hash, None);
    }

    #[test]
    fn a_near_mirror_gives_what_is_decompressed_soonest() {
        let form = |compression: Compression, size| Form {
            path: format!("Packages{}", compression.suffix()),
            by_hash: None,
            size,
            digest: Digest::of(b""),
            compression,
        };
        use Compression::{Gzip, Plain, Xz, Zstd};
        let debian = |text_size| IndexFile {
            text_size,
            forms: vec![form(Xz, 9_600_000), form(Zstd, 11_000_000), form(Gzip, 12_700_000), form(Plain, 54_000_000)],
        };
        let order = |index: &IndexFile, speed| {
            index.soonest_first(speed).into_iter().map(|form| form.compression).collect::<Vec<_>>()
        };
        let large = debian(Some(54_000_000));
        assert_eq!(order(&large, 0), [Xz, Zstd, Gzip, Plain], "nothing is known");
        assert_eq!(order(&large, 8_000_000), [Xz, Zstd, Gzip, Plain]);
        assert_eq!(order(&large, 9_000_000), [Gzip, Xz, Zstd, Plain]);
        assert_eq!(order(&debian(Some(LARGE - 1)), u64::MAX)[0], Xz, "no difference that anybody sees");
        assert_eq!(order(&debian(None), u64::MAX)[0], Xz);
        let one = IndexFile { text_size: Some(54_000_000), forms: vec![form(Xz, 1)] };
        assert_eq!(order(&one, u64::MAX), [Xz]);
    }

    #[test]
    fn flat_repositories() {
        let flat = release(&["Packages", "Packages.gz"], "Acquire-By-Hash: yes\n");
        let form = &choose(&flat, None, "amd64").unwrap()[0].forms[0];
        assert_eq!(form.path, "Packages.gz");
        assert!(form.by_hash.as_ref().unwrap().starts_with("by-hash/SHA256/"));
        assert!(matches!(choose(&release(&[], ""), None, "amd64"), Err(IndexError::NotListed { .. })));
    }

    #[test]
    fn what_is_missing_is_named() {
        let release = release(&BOTH, "");
        let error = |component, architecture| choose(&release, Some(component), architecture).unwrap_err().to_string();
        assert_eq!(error("universe", "amd64"), "trixie has no component `universe`");
        assert_eq!(error("main", "s390x"), "trixie is not built for s390x");
        let empty = super::tests::release(&[], "");
        let error = choose(&empty, Some("main"), "amd64").unwrap_err().to_string();
        assert_eq!(error, "the Release file of trixie does not list main/binary-amd64/Packages");
    }
}
