//! A `.deb`: its ar container, its control part, and its data part as a tar.
#![no_main]

use std::io::Read;

use libfuzzer_sys::fuzz_target;
use rootsmith::archive::{ArchiveError, decompress, read_tar};
use rootsmith::source::debian::package_file::DebFile;
use rootsmith::tree::Origin;
use rootsmith_fuzz::LIMITS;

fuzz_target!(|bytes: &[u8]| {
    let path = rootsmith_fuzz::put("package.deb", bytes);
    let Ok(package) = DebFile::read(&path) else { return };
    assert!(package.data_size() <= bytes.len() as u64, "the data part is within the file");
    for (name, _) in package.control().fields() {
        assert!(package.control().field(name).is_some());
    }
    for member in &package.members {
        assert!(member.mode <= 0o7777 && !member.name.contains('/'));
        assert_eq!(package.member(&member.name), Some(member), "names come once");
    }
    let data = package.data().expect("the file is there");
    let Ok(tar) = decompress(data, &LIMITS) else { return };
    let origin = Origin::Package("fuzzed".into());
    let _ = read_tar(tar.take(LIMITS.bytes), &path.into(), &origin, &LIMITS, |_| Ok::<_, ArchiveError>(()));
});
