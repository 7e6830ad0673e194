use std::os::unix::fs::MetadataExt;

use rustix::fs::{IFlags, ioctl_getflags};

use super::*;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    (folder, store)
}

fn age(path: &Path, days: u32) {
    File::open(path).unwrap().set_modified(now() - A_DAY * days).unwrap();
}

#[test]
fn blobs_are_kept_by_digest() {
    let (_folder, store) = store();
    let blob = store.put(b"bytes").unwrap();
    assert_eq!((blob.digest, blob.size), (Digest::of(b"bytes"), 5));
    assert_eq!(fs::metadata(&blob.path).unwrap().mode() & 0o7777, 0o644);
    assert_eq!(store.blob(&blob.digest), Some(blob.clone()));
    assert_eq!(store.put(b"bytes").unwrap(), blob, "twice is once");
    assert_eq!(store.blob(&Digest::of(b"other")), None);
    assert_eq!(fs::read_dir(store.temporary()).unwrap().count(), 0);
}

#[test]
fn a_blob_that_is_there_is_replaced_where_its_bytes_are_others() {
    let (_folder, store) = store();
    let bytes = vec![7; 600 << 10];
    let path = store.put(&bytes).unwrap().path;
    let is_replaced = || {
        let number = || fs::metadata(&path).unwrap().ino();
        let before = number();
        store.put(&bytes).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
        number() != before
    };
    assert!(!is_replaced());
    let mut damaged = bytes.clone();
    damaged[300 << 10] ^= 1;
    for damaged in [&damaged[..], &bytes[1..]] {
        fs::write(&path, damaged).unwrap();
        assert!(is_replaced());
    }
    assert_eq!(fs::read_dir(store.temporary()).unwrap().count(), 0);
}

#[test]
fn other_bytes_than_expected_leave_nothing() {
    let (_folder, store) = store();
    let mut writer = store.begin().unwrap();
    writer.write_all(b"wrong").unwrap();
    let error = writer.commit_expected(&Digest::of(b"right")).unwrap_err();
    assert!(error.to_string().contains(&Digest::of(b"right").to_string()));
    drop(store.begin().unwrap());
    assert_eq!(store.usage(), Usage::default());
}

#[test]
fn a_damaged_blob_counts_as_absent() {
    let (folder, store) = store();
    let blob = store.put(b"bytes").unwrap();
    drop(store);
    fs::write(&blob.path, b"bytez").unwrap();
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.verified(&blob.digest).unwrap(), None);
    assert!(!blob.path.exists());
}

#[test]
fn verify_names_what_it_removes() {
    let (_folder, store) = store();
    store.put(b"good").unwrap();
    let bad = store.put(b"bad").unwrap();
    store.remember(&Digest::of(b"key"), b"value").unwrap();
    fs::write(&bad.path, b"").unwrap();
    let stray = store.root().join("blobs/sha256/stray");
    fs::write(&stray, b"x").unwrap();
    let damaged: Vec<PathBuf> = store.verify(&|_| ()).unwrap().into_iter().map(|damage| damage.path).collect();
    assert_eq!(damaged.len(), 2);
    assert!(damaged.contains(&bad.path.to_path_buf()) && damaged.contains(&stray));
    assert_eq!(store.verify(&|_| ()).unwrap(), []);
}

#[test]
fn tidying_keeps_what_was_used() {
    let (folder, store) = store();
    let (old, used) = (store.put(b"old").unwrap(), store.put(b"used").unwrap());
    age(&old.path, 40);
    age(&used.path, 40);
    store.partial(&Digest::of(b"arriving")).unwrap().unwrap().append(b"arr").unwrap();
    store.blob(&used.digest).unwrap();
    assert!(matches!(Tidy::open(folder.path(), false), Err(StoreError::InUse { .. })));
    drop(store);
    let month = Age::AtLeast(A_DAY * 30);
    let tidied = Tidy::open(folder.path(), false).unwrap().remove_unused(month).unwrap();
    assert_eq!((tidied.removed.blobs, tidied.left.blobs, tidied.left.unfinished), (1, 1, 1));
    assert!(!old.path.exists() && used.path.exists());
    let tidied = Tidy::open(folder.path(), true).unwrap().remove_unused(Age::Any).unwrap();
    assert_eq!((tidied.removed.blobs, tidied.left), (1, Usage::default()));
}

#[test]
fn what_a_killed_run_left_is_cleared_by_the_next_alone() {
    let (folder, store) = store();
    let left = folder.path().join("temporary/killed/rootfs");
    fs::create_dir_all(&left).unwrap();
    store.partial(&Digest::of(b"arriving")).unwrap().unwrap().append(b"arr").unwrap();
    let second = Store::open(folder.path()).unwrap();
    drop(second);
    assert!(left.exists(), "somebody else is there");
    drop(store);
    assert!(!left.exists(), "the last one is alone");
    fs::create_dir_all(&left).unwrap();
    let store = Store::open(folder.path()).unwrap();
    assert!(!left.exists());
    assert_eq!(store.usage().unfinished, 1, "downloads are gone on with");
}

#[test]
fn a_run_leaves_nothing_unfinished() {
    let (folder, store) = store();
    let other = Store::open(folder.path()).unwrap();
    let (ours, theirs) = (store.temporary(), other.temporary());
    assert_ne!(ours, theirs);
    assert_eq!(fs::read_dir(folder.path().join(TEMPORARY)).unwrap().count(), 2, "ground is for those who ask");
    let (our_ground, their_ground) = (store.ground(), other.ground());
    assert!(store.is_unfinished(&our_ground.join("stage")) && store.is_unfinished(&ours));
    assert_eq!(store.ground(), our_ground);
    fs::create_dir_all(ours.join("blobs")).unwrap();
    fs::create_dir_all(our_ground.join("stage/rootfs")).unwrap();
    drop(store);
    assert!(!ours.exists() && !our_ground.exists() && theirs.exists());
    fs::create_dir_all(their_ground.join("stage/rootfs")).unwrap();
    other.abandon();
    assert!(!theirs.exists() && !their_ground.exists());
    let late = Store::open(folder.path()).unwrap();
    late.abandon();
    assert_eq!(late.ground(), late.temporary(), "no ground is looked for any more");
    assert_eq!(fs::read_dir(folder.path().join(TEMPORARY)).unwrap().count(), 0);
}

#[test]
fn runs_are_laid_out_far_from_each_other_where_the_file_system_can() {
    let flags = |path: &Path| ioctl_getflags(File::open(path).unwrap());
    let (folder, store) = store();
    let beside = folder.path().join("beside");
    fs::create_dir(&beside).unwrap();
    let spreads = ground::spread(&beside);
    let ground = store.ground();
    let marked = |path: &Path| flags(path).is_ok_and(|flags| flags.contains(IFlags::TOPDIR));
    assert_eq!(marked(&folder.path().join(TEMPORARY)), marked(&beside));
    assert!(!marked(&ground), "what belongs together stays together");
    let on_ext4 = rustix::fs::statfs(folder.path()).unwrap().f_type == 0xEF53;
    assert_eq!((spreads, marked(&beside) || !on_ext4), (marked(&beside), true));
    assert!(!ground::spread(Path::new("/nonexistent")));
    assert!(ground::folder_in(Path::new("/nonexistent")).is_none());
    let ours = ground::folder_in(&beside).unwrap();
    assert_eq!(fs::read_dir(&beside).unwrap().count(), 1, "no other place is left behind");
    assert_eq!(fs::read_dir(ours.path()).unwrap().count(), 0, "nor what it was tried with");
}

#[test]
fn a_store_that_may_only_be_read_serves() {
    let (folder, store) = store();
    let blob = store.put(b"bytes").unwrap();
    drop(store);
    let all = |mode| {
        for name in ["temporary", "partial", "memo", "blobs", ""] {
            fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    all(0o555);
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.verified(&blob.digest).unwrap(), Some(blob));
    // Root may write all the same.
    if !nix::unistd::geteuid().is_root() {
        assert!(matches!(store.put(b"more"), Err(StoreError::ReadOnly { .. })));
    }
    all(0o755);
}

#[test]
fn a_full_file_system_is_named() {
    let full = io::Error::from_raw_os_error(28);
    assert!(matches!(failed("write a blob", Path::new("/x"), full), StoreError::Full { .. }));
    let read_only = io::Error::from_raw_os_error(30);
    assert!(matches!(failed("write a blob", Path::new("/x"), read_only), StoreError::ReadOnly { .. }));
}
