//! Archives of images: what their documents say of their layers.

use super::*;

#[test]
fn group_21_images() {
    let layer = tar(&[file("x", "1")]);
    let none = |_: &mut Value| {};
    let image = |change: &dyn Fn(&mut Value)| tar(&oci_archive(&layer, none, change));
    let with_config = |change: &dyn Fn(&mut Value)| tar(&oci_archive(&layer, change, none));
    let config = image_config(std::slice::from_ref(&layer), json!({})).to_string().into_bytes();
    let of_manifest = |bytes: &[u8]| tar(&oci_archive_of(bytes, &[&config, &layer]));
    let as_text = |change: &dyn Fn(String) -> String| {
        let entries = oci_archive(&layer, none, none);
        let manifest = entries[2].bytes()[512..].split(|byte| *byte == 0).next().unwrap().to_vec();
        of_manifest(change(String::from_utf8(manifest).unwrap()).as_bytes())
    };
    let no_blob = |number: usize, replaced: Option<Entry>| {
        let mut entries = oci_archive(&layer, none, none);
        entries.remove(number);
        tar(&[entries, replaced.into_iter().collect()].concat())
    };
    let layer_name = format!("blobs/sha256/{}", rootsmith::digest::Digest::of(&layer).hex());
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    check(vec![
        ("a good one", image(&none), Kept(&["file /x"])),
        (
            "another digest",
            image(&|m| m["layers"][0]["digest"] = format!("sha256:{:064}", 0).into()),
            Refused("has no `blobs/"),
        ),
        ("another size", image(&|m| m["layers"][0]["size"] = 1.into()), Refused("but 1 were named")),
        ("a negative size", image(&|m| m["layers"][0]["size"] = (-1).into()), Refused("cannot be used")),
        (
            "a digest that leads away",
            image(&|m| m["layers"][0]["digest"] = "sha256:../../x".into()),
            Refused("cannot be used"),
        ),
        ("an unknown digest", image(&|m| m["layers"][0]["digest"] = "md5:0".into()), Refused("cannot be used")),
        (
            "both manifest and index",
            image(&|m| m["manifests"] = json!([])),
            Refused("could be read as another document"),
        ),
        ("data that is another", image(&|m| m["config"]["data"] = "e30=".into()), Kept(&["file /x"])),
        (
            "a layer of elsewhere",
            image(&|m| {
                m["layers"] = json!([{ "mediaType": foreign, "size": 3,
            "digest": format!("sha256:{:064}", 0), "urls": ["http://127.0.0.1:9/"] }])
            }),
            Refused("is foreign"),
        ),
        ("fewer layers", image(&|m| m["layers"] = json!([])), Refused("has 0 layers, but its configuration names 1")),
        (
            "another diff ID",
            with_config(&|c| c["rootfs"]["diff_ids"][0] = format!("sha256:{:064}", 0).into()),
            Refused("has the digest"),
        ),
        (
            "no diff ID",
            with_config(&|c| c["rootfs"]["diff_ids"][0] = "md5:0".into()),
            Refused("something else than a SHA-256"),
        ),
        ("a key twice", as_text(&|text| text.replacen('{', "{\"layers\":[],", 1)), Refused("cannot be used")),
        (
            "deep JSON",
            as_text(&|text| text.replacen('{', &format!("{{\"x\":{}{},", "[".repeat(5000), "]".repeat(5000)), 1)),
            Refused("cannot be used"),
        ),
        (
            "5 MiB of manifest",
            as_text(&|text| text.replacen('{', &format!("{{\"x\":\"{}\",", "x".repeat(5 << 20)), 1)),
            Refused("cannot be used"),
        ),
        ("no JSON", of_manifest(b"manifest"), Refused("cannot be used")),
        ("a missing blob", no_blob(4, None), Refused("has no `blobs/")),
        ("a blob of the host", no_blob(4, Some(symlink(&layer_name, "/etc/passwd"))), Refused("has no `blobs/")),
        (
            "a blob above",
            no_blob(4, Some(symlink(&layer_name, "../../../../../etc/passwd"))),
            Refused("has no `blobs/"),
        ),
        (
            "a blob that leads to itself",
            no_blob(4, Some(symlink(&layer_name, layer_name.rsplit('/').next().unwrap()))),
            Refused("leads nowhere"),
        ),
        ("a blob of other bytes", no_blob(4, Some(file(&layer_name, vec![b'x'; layer.len()]))), Refused("")),
    ]);
    let docker = |layers: &str, extra: Entry| {
        let manifest = format!(r#"[{{"Config":"config.json","RepoTags":null,"Layers":[{layers}]}}]"#);
        let config = image_config(std::slice::from_ref(&layer), json!({})).to_string();
        tar(&[file("config.json", config), extra, file("manifest.json", manifest)])
    };
    check(vec![
        ("docker, good", docker(r#""l.tar""#, file("l.tar", &layer)), Kept(&["file /x"])),
        ("docker, a circle", docker(r#""l.tar""#, symlink("l.tar", "l.tar")), Refused("leads nowhere")),
        ("docker, up", docker(r#""../l.tar""#, file("l.tar", &layer)), Refused("leads nowhere")),
        ("docker, the host", docker(r#""/etc/passwd""#, file("l.tar", &layer)), Refused("has no `/etc/passwd`")),
        (
            "docker, a link to the host",
            docker(r#""l.tar""#, symlink("l.tar", "/etc/passwd")),
            Refused("has no `l.tar`"),
        ),
        ("docker, null", tar(&[file("manifest.json", "null")]), Refused("cannot be used")),
        ("docker, none", tar(&[file("manifest.json", "[]")]), Refused("several images, or none")),
        (
            "a root filesystem with such a file",
            tar(&[file("manifest.json", "{}"), directory("etc"), directory("usr")]),
            Kept(&["dir /etc", "file /manifest.json", "dir /usr"]),
        ),
    ]);
}
