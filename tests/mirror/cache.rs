//! Files fetched from upstream, each at most once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rootsmith::http::{Http, HttpOptions, Proxies};

/// No file of an archive that tests ask for is larger.
const LARGEST: u64 = 512 << 20;

/// Copies of upstream's files.
pub struct Cache {
    folder: PathBuf,
    archives: Vec<(String, String)>,
    http: Http,
    /// One lock for each path that is or was being fetched.
    fetching: Mutex<BTreeMap<String, Arc<Mutex<()>>>>,
    absent: Mutex<BTreeSet<String>>,
}

/// What there is at a path.
pub enum Found {
    /// A file of the cache.
    File(PathBuf),
    /// Upstream has no such file.
    Nothing,
    /// Upstream did not answer as it should.
    Trouble(String),
}

impl Cache {
    /// The cache in `folder`, with the names and addresses of its archives.
    pub fn open(folder: PathBuf, archives: Vec<(String, String)>, frozen: bool) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        if !frozen {
            for (name, _) in &archives {
                forget_state(&folder.join(name).join("dists"))?;
            }
        }
        let variable = |name: &str| std::env::var(name).ok();
        let proxies = Proxies { http: variable("http_proxy"), https: variable("https_proxy"), ..Proxies::default() };
        let http = Http::new(HttpOptions { proxies, ..HttpOptions::default() });
        Ok(Self { folder, archives, http, fetching: Mutex::default(), absent: Mutex::default() })
    }

    /// The file at `path`, which begins with the archive's name and has no leading slash.
    pub fn find(&self, path: &str) -> Found {
        let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        let archive = path.split_once('/').filter(|_| path.split('/').all(plain));
        let upstream = archive.and_then(|(name, rest)| {
            let (_, url) = self.archives.iter().find(|(known, _)| known == name)?;
            Some(format!("{url}/{rest}"))
        });
        let Some(upstream) = upstream else { return Found::Nothing };
        let lock = Arc::clone(self.fetching.lock().unwrap().entry(path.to_owned()).or_default());
        let _only_one = lock.lock().unwrap();
        let file = self.folder.join(path);
        if file.is_file() {
            return Found::File(file);
        }
        if self.absent.lock().unwrap().contains(path) {
            return Found::Nothing;
        }
        match self.http.fetch_optional(&upstream, LARGEST) {
            Ok(None) => {
                self.absent.lock().unwrap().insert(path.to_owned());
                Found::Nothing
            }
            Ok(Some(bytes)) => match keep(&file, &bytes) {
                Ok(()) => Found::File(file),
                Err(error) => Found::Trouble(error.to_string()),
            },
            Err(error) => Found::Trouble(error.to_string()),
        }
    }
}

/// Removes what changes with the archive's state: all of `dists` but the files named by their digest.
fn forget_state(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            fs::remove_file(entry.path())?;
        } else if entry.file_name() != "by-hash" {
            forget_state(&entry.path())?;
        }
    }
    Ok(())
}

fn keep(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().expect("a path of the cache has a parent");
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut file, bytes)?;
    file.persist(path)?;
    Ok(())
}
