//! A tar from anywhere: what can be read into a tree is written and read again as the same tree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rootsmith::archive::{Applier, Apply, ArchiveError, Duplicates, SpecialFiles, read_tar, write_tar};
use rootsmith::shared_path::SharedPath;
use rootsmith::tree::{Origin, Tree};
use rootsmith_fuzz::LIMITS;

fuzz_target!(|bytes: &[u8]| {
    for follow_directory_links in [false, true] {
        let mut tree = Tree::new();
        if read(bytes, "input.tar", follow_directory_links, &mut tree).is_err() {
            continue;
        }
        rootsmith_fuzz::put("input.tar", bytes);
        let Ok(written) = write_tar(&tree, SpecialFiles::Keep, Vec::new()) else { continue };
        rootsmith_fuzz::put("written.tar", &written);
        let mut again = Tree::new();
        read(&written, "written.tar", false, &mut again).expect("what is written can be read");
        let twice = write_tar(&again, SpecialFiles::Keep, Vec::new()).expect("and be written");
        assert!(written == twice, "and is the same");
    }
});

fn read(bytes: &[u8], name: &str, follow_directory_links: bool, tree: &mut Tree) -> Result<(), ArchiveError> {
    let blob = SharedPath::from(rootsmith_fuzz::file(name));
    let origin = Origin::Import(name.into());
    let apply = Apply { follow_directory_links, duplicates: Duplicates::LastWins };
    let mut applier = Applier::new(tree, apply, origin.clone());
    read_tar(bytes, &blob, &origin, &LIMITS, |item| applier.put(item).map(drop))
}
