//! What cannot be imported.

use super::*;

#[test]
fn what_goes_wrong() {
    let workspace = Workspace::new();
    let whole = tar(&small());
    write(&workspace, "small.tar", &whole);
    write(&workspace, "cut.tar", &whole[..2000]);
    write(&workspace, "text", b"hello\n");
    write(&workspace, "empty", b"");
    write(&workspace, "nothing.tar", &[0; 1024]);
    write(&workspace, "archive.zip", &[&b"PK\x03\x04"[..], &[1; 600]].concat());
    write(&workspace, "away.tar", &tar(&[file("../x", "")]));
    write(&workspace, "whiteout.tar", &tar(&[file(".wh.x", "")]));
    write(
        &workspace,
        "arm.tar",
        &tar(&[file("bin/sh", {
            let mut arm = AMD64;
            arm[18] = 183;
            arm
        })]),
    );
    write(&workspace, "bomb.tar.gz", &{
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        writer.write_all(&tar(&[file("bomb", vec![0; 120 << 20])])).unwrap();
        writer.finish().unwrap()
    });
    let user = |config: Value| docker_archive(&[tar(&small())], config);
    write(&workspace, "user.tar", &user(json!({ "User": "4294967296" })));
    write(&workspace, "volume.tar", &user(json!({ "Volumes": { "../..": {} } })));
    write(&workspace, "folder.tar", &user(json!({ "WorkingDir": "relative" })));
    fs::create_dir(workspace.path("folder")).unwrap();
    let wrong_digest = "0".repeat(64);
    let cases: &[(&[&str], i32, &str)] = &[
        (&["nowhere.tar"], 2, "cannot read the archive `nowhere.tar`"),
        (&["folder"], 2, "is not an OCI layout"),
        (&["text"], 2, "cannot import `text`: it is no tar archive, or a damaged one"),
        (&["empty"], 2, "cannot import `empty`: it is empty"),
        (&["nothing.tar"], 2, "there is nothing in it"),
        (&["archive.zip"], 2, "it is a zip archive"),
        (&["cut.tar"], 2, "ends too early"),
        (&["away.tar"], 2, "the path `../x` has a `..` in it"),
        (&["whiteout.tar"], 2, "names that start with `.wh.` mean removal"),
        (&["bomb.tar.gz"], 2, "grows beyond what is allowed"),
        (&["small.tar", "--max-entries", "3"], 2, "more than 3 entries"),
        (&["small.tar", "--max-bytes", "1000"], 2, "more than 1000 bytes"),
        (&["small.tar", "--sha256", &wrong_digest], 2, "has the digest"),
        (&["small.tar", "--sha256", "abc"], 2, "is no SHA-256"),
        (&["small.tar", "--platform", "linux/arm64"], 2, "`/bin/sh` is a program for linux/amd64"),
        (&["small.tar", "--change", "RUN true"], 2, "is no instruction that is known here"),
        (&["small.tar", "--change", "USER nobody-here"], 2, "has no user or group of that name"),
        (&["small.tar", "-t", "Bad Name"], 2, "is not an image name"),
        (&["small.tar", "-o", "nowhere"], 2, "does not say where to write"),
        (&["small.tar", "-o", "oci:/proc/nowhere/x"], 3, "/proc/nowhere"),
        (&["user.tar"], 2, "4294967296"),
        (&["volume.tar"], 2, "the volume `../..` of the image is not an absolute path"),
        (&["folder.tar"], 2, "the working directory `relative`"),
        (&["user.tar", "--image", "other:1"], 2, "there is no image `other:1`"),
        (&["user.tar", "--platform", "linux/arm64"], 2, "it is an image for linux/amd64"),
        (&["http://127.0.0.1:9/x.tar", "--offline"], 3, "the network is off"),
        (&["file:///nowhere/x.tar"], 4, "does not exist"),
    ];
    for (arguments, code, phrase) in cases {
        let output = if arguments.contains(&"-o") { &[][..] } else { &["-o", "oci:out"] };
        let finished = workspace.rootsmith([&["import"], *arguments, &["--progress", "none"], output].concat());
        finished.failed_with(*code).says(phrase);
        assert!(finished.stdout.is_empty() && !workspace.path("out").exists(), "{arguments:?} left something");
    }
    assert!(import(&workspace, "arm.tar", &[]).code == 0);
    let mut piped = workspace.command([binary()]);
    finish(piped.args(["import", "-"]).stdin(Stdio::null())).failed_with(2).says("it is empty");
    let left: Vec<_> = fs::read_dir(workspace.path("store/temporary")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
