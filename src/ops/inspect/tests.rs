use std::num::NonZeroUsize;

use super::*;
use crate::archive::SpecialFiles;
use crate::dest::{ArchiveFile, Layout, publish, write_rootfs_tar};
use crate::epoch::Epoch;
use crate::image::{Artifact, Image, ImageConfig, Packing, pack};
use crate::tree::{Content, Inode, Origin, Tree, TreePath};

fn tree() -> Tree {
    let mut tree = Tree::new();
    let mut put = |path: &'static str, mode, content: Vec<u8>| {
        let inode = Inode::file(mode, Content::bytes(content), Origin::Sandbox);
        _ = tree.insert_with_parents(TreePath::literal(path), inode).unwrap();
    };
    put("usr/lib/large", 0o644, vec![7; 90_000]);
    put("usr/bin/su", 0o4755, vec![8; 9_000]);
    put("etc/small", 0o644, vec![9; 10]);
    put("etc/os-release", 0o644, b"ID=debian\nPRETTY_NAME='Debian \x1b[31m13'\n".to_vec());
    let status =
        b"Package: bash\nStatus: install ok installed\nVersion: 5.2\nArchitecture: amd64\nInstalled-Size: 7164\n";
    put("var/lib/dpkg/status", 0o644, status.to_vec());
    tree.link(TreePath::literal("usr/lib/same"), &TreePath::literal("usr/lib/large")).unwrap();
    tree
}

#[test]
fn every_form_of_an_image_gives_the_same_answer() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    let layer = pack(&tree(), Packing::default(), &store, "test", |_| {}).unwrap();
    let config = ImageConfig {
        user: Some((65532, 65532)),
        entrypoint: vec!["/usr/bin/env".into(), "a b".into()],
        ..ImageConfig::default()
    };
    let platform = "linux/arm64".parse().unwrap();
    let image = Image::assemble(platform, Epoch::from_seconds(0), &config, vec![layer.clone()]).unwrap();
    let digest = image.digest();
    let artifact = Artifact::Image(Box::new(image));
    let names = ["base:13".parse().unwrap()];
    let [layout, archive, rootfs] = ["layout", "image.tar", "rootfs.tar.zst"].map(|name| folder.path().join(name));
    publish(&artifact, Box::new(Layout::open(&layout, &names).unwrap()), &|_| {}).unwrap();
    publish(&artifact, Box::new(ArchiveFile::create(&archive, &names).unwrap()), &|_| {}).unwrap();
    write_rootfs_tar(&tree(), &rootfs, SpecialFiles::Omit, NonZeroUsize::MIN).unwrap();

    let look = |path: &Path| inspect(path, &InspectOptions::default(), &store).unwrap();
    let found = look(&layout);
    assert_eq!(serde_json::to_value(&found).unwrap(), serde_json::to_value(look(&archive)).unwrap());
    assert_eq!(found.digest, Some(digest));
    assert_eq!(found.layers[0].diff_id, layer.diff_id);
    let config = found.config.as_ref().unwrap();
    assert_eq!((config.platform.as_str(), config.user.as_str()), ("linux/arm64/v8", "65532:65532"));
    let bare = look(&rootfs);
    assert!(bare.digest.is_none() && bare.config.is_none() && bare.layers.is_empty());
    assert_eq!((&bare.usage, &bare.files), (&found.usage, &found.files));
    assert_eq!(bare.packages, found.packages);

    let text = found.to_text();
    for line in [
        "Distribution  Debian \u{fffd}[31m13\n",
        "Platform      linux/arm64/v8\n",
        "Entrypoint    /usr/bin/env 'a b'\n",
        "Files         5 files, 8 directories, 0 symbolic links, 0 special, 1 setuid or setgid\n",
        "    99.1 kB  /\n",
        "      99.0 kB  /usr\n",
        "        90.0 kB  /usr/lib\n          90.0 kB  /usr/lib/large\n",
        "     7.3 MB  bash 5.2\n",
    ] {
        assert!(text.contains(line), "{line:?} is not in:\n{text}");
    }
    assert!(!text.contains("small"), "what is small is left out");
    assert!(!text.contains('\u{1b}'), "nothing reaches the terminal raw");
}

#[test]
fn an_empty_tree_has_a_root() {
    assert_eq!(sizes::usage(&Tree::new()), Usage { path: "/".to_owned(), bytes: 0, children: Vec::new() });
    assert_eq!(sizes::counts(&Tree::new()), FileCounts { directories: 1, ..FileCounts::default() });
}

#[test]
fn a_folder_is_looked_into_too() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("usr/lib")).unwrap();
    std::fs::write(folder.path().join("usr/lib/os-release"), "ID=acme\nPRETTY_NAME=Acme\n").unwrap();
    let found = inspect_folder(folder.path()).unwrap();
    assert!(found.digest.is_none() && found.config.is_none() && found.layers.is_empty());
    assert_eq!((found.files.regular, found.files.directories), (1, 3));
    assert!(found.to_text().starts_with("Distribution  Acme\n"), "{}", found.to_text());
    assert!(inspect_folder(&folder.path().join("none")).is_err());
}
