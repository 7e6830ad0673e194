//! A fast checksum of blobs.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3Default;

/// XXH3 of a blob, 64 bits. It tells bytes that a disk has lost from those that were written. It does not tell who wrote them:
/// it is only believed beside a digest, and from a memo of this store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum(u64);

impl Sum {
    /// That of a file. Fails where it cannot be read.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let (mut hash, mut buffer) = (Xxh3Default::new(), vec![0; 256 << 10]);
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(Self(hash.digest())),
                count => hash.update(&buffer[..count]),
            }
        }
    }
}
