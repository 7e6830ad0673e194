//! The same archive gives the same image, whoever imports it.

use super::*;

#[test]
fn one_digest_in_every_surrounding() {
    let workspace = Workspace::new();
    write(&workspace, "small.tar", &tar(&small()));
    let first = import(&workspace, "small.tar", &[]).digest();
    let again = |command: &mut Command| finish(command.args(["import", "small.tar", "--progress", "none"])).digest();
    assert_eq!(again(workspace.command([binary()]).env("TZ", "Asia/Tokyo").env("TMPDIR", "/var/tmp")), first);
    assert_eq!(again(workspace.command([binary()]).env("ROOTSMITH_STORE", workspace.path("other"))), first);
    let umask = format!("umask 077; exec {} import small.tar --threads 5 --progress none", binary().display());
    assert_eq!(finish(&mut workspace.command(["sh", "-c", &umask])).digest(), first);
    for (name, bytes) in [("small.tar.zst", zstd::bulk::compress(&tar(&small()), 3).unwrap()), ("b.tar", tar(&small()))]
    {
        write(&workspace, name, &bytes);
        assert_eq!(import(&workspace, name, &[]).digest(), first, "{name}");
    }
    // Entries in another order are the same files.
    let mut entries = small();
    entries[3..].rotate_left(3);
    write(&workspace, "other.tar", &tar(&entries));
    assert_eq!(import(&workspace, "other.tar", &[]).digest(), first);
}

#[test]
fn one_digest_through_every_door() {
    require!(Need::Doors);
    let mut digests = Vec::new();
    for door in DOORS {
        let workspace = Workspace::new();
        write(&workspace, "small.tar", &tar(&small()));
        workspace.write(
            "small.toml",
            "name = \"small\"\nplatforms = [\"linux/amd64\"]\n[from.archive]\npath = \"small.tar\"\n",
        );
        Door::prepare(door, &workspace);
        let run = |words: &[&str]| {
            let program = binary();
            let before = door.prefix().iter().copied().chain([program.to_str().unwrap()]);
            finish(workspace.command(before).args(words).args(["--progress", "none"])).digest()
        };
        digests.push((run(&["import", "small.tar"]), run(&["build", "small.toml"])));
    }
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "{digests:?}");
}

#[test]
fn frames_of_zstd_are_one_stream_to_others() {
    require!(Need::Program("skopeo"));
    let workspace = Workspace::new();
    let numbers: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    write(&workspace, "large.tar", &tar(&[directory("./etc"), file("./etc/numbers", numbers.clone())]));
    let image = imported(&workspace, "large.tar", &["--compression", "zstd"]);
    assert!(image.file("etc/numbers") == numbers);
    run(&mut workspace.command(["skopeo", "copy", "--dest-decompress", "oci:out", "dir:plain"]));
    let diff_id = image.config["rootfs"]["diff_ids"][0].as_str().unwrap();
    let plain = fs::read(workspace.path("plain").join(&diff_id[7..])).unwrap();
    assert_eq!(Digest::of(&plain).to_string(), diff_id);
    assert!(plain.len() > numbers.len());
}
