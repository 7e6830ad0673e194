use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;
use crate::archive::{Compression, TarWriter};
use crate::epoch::Epoch;
use crate::image::{Image, ImageConfig, Index, Packing, pack};
use crate::store::Store;
use crate::tree::{Inode, Meta, TreePath};

struct Fixture {
    folder: tempfile::TempDir,
    store: Store,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        fs::create_dir_all(folder.path().join("layout/blobs/sha256")).unwrap();
        let fixture = Self { folder, store };
        fs::write(fixture.layout().join("oci-layout"), crate::oci::OCI_LAYOUT).unwrap();
        fixture
    }

    fn layout(&self) -> PathBuf {
        self.folder.path().join("layout")
    }

    fn image(&self, platform: &str, layers: &[(&str, Compression)]) -> Image {
        let layer = |(text, compression): &(&str, Compression)| {
            let mut tree = Tree::new();
            let file = Inode::file(0o644, Content::bytes(text.as_bytes()), Origin::Sandbox);
            tree.insert_with_parents(TreePath::new(format!("etc/{text}")).unwrap(), file).unwrap();
            pack(&tree, Packing { compression: *compression, ..Packing::default() }, &self.store, "test", |_| {})
                .unwrap()
        };
        let layers = layers.iter().map(layer).collect();
        Image::assemble(platform.parse().unwrap(), Epoch::default(), &ImageConfig::default(), layers).unwrap()
    }

    fn blob(&self, bytes: &[u8]) -> String {
        let digest = Digest::of(bytes);
        fs::write(self.layout().join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        digest.to_string()
    }

    fn put(&self, image: &Image) {
        image.layers.iter().for_each(|layer| drop(self.blob(&fs::read(&layer.path).unwrap())));
        self.blob(image.config.bytes());
        self.blob(image.manifest.bytes());
    }

    fn index(&self, manifests: &[Value]) {
        let index = json!({ "schemaVersion": 2, "manifests": manifests });
        fs::write(self.layout().join("index.json"), index.to_string()).unwrap();
    }

    fn open(&self, choice: &Choice) -> Result<Opened, OpenError> {
        open(&self.layout(), choice, &Limits::default(), &self.store.temporary())
    }

    fn open_any(&self) -> Result<Opened, OpenError> {
        self.open(&Choice::default())
    }
}

fn entry(image: &Image, tag: Option<&str>) -> Value {
    let mut entry = serde_json::to_value(image.descriptor()).unwrap();
    if let Some(tag) = tag {
        entry["annotations"] = json!({ oci::REF_NAME: tag });
    }
    entry
}

fn choice(tag: Option<&str>, platform: Option<&str>) -> Choice {
    Choice { tag: tag.map(str::to_owned), platform: platform.map(|platform| platform.parse().unwrap()) }
}

fn paths(opened: &Opened) -> String {
    opened.tree.entries().skip(1).map(|entry| entry.path.to_string()).collect::<Vec<_>>().join(" ")
}

const LAYERS: [(&str, Compression); 3] =
    [("one", Compression::Gzip), ("two", Compression::Zstd), ("three", Compression::None)];

#[test]
fn layers_of_any_compression_become_one_tree() {
    let fixture = Fixture::new();
    let image = fixture.image("linux/amd64", &LAYERS);
    fixture.put(&image);
    fixture.index(&[entry(&image, None)]);
    let opened = fixture.open_any().unwrap();
    assert_eq!(paths(&opened), "/etc /etc/one /etc/three /etc/two");
    let found = opened.image.as_ref().unwrap();
    assert_eq!((found.digest, found.layers.len()), (Some(image.digest()), 3));
    for (layer, packed) in found.layers.iter().zip(&image.layers) {
        let facts = (layer.digest, layer.diff_id, layer.size, layer.uncompressed_size);
        assert_eq!(facts, (packed.digest, packed.diff_id, packed.size, packed.uncompressed_size));
        assert_eq!(layer.media_type.as_deref(), Some(packed.compression.media_type()));
    }
    drop(opened);
    assert_eq!(fs::read_dir(fixture.store.temporary()).unwrap().count(), 0);
}

#[test]
fn images_are_chosen_by_tag_and_platform() {
    let fixture = Fixture::new();
    let images = ["linux/amd64", "linux/arm64"].map(|platform| fixture.image(platform, &LAYERS[..1]));
    images.iter().for_each(|image| fixture.put(image));
    let digest = |choice| fixture.open(&choice).map(|opened| opened.image.unwrap().digest.unwrap());
    let index = Index::assemble(images.to_vec(), Default::default()).unwrap();
    let nested = json!({
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "digest": fixture.blob(index.index.bytes()),
        "size": index.index.size(),
        "annotations": { oci::REF_NAME: "both", oci::CONTAINERD_NAME: "docker.io/library/x:both" },
    });
    fixture.index(&[entry(&images[0], Some("one")), nested]);
    assert_eq!(digest(choice(Some("one"), None)).unwrap(), images[0].digest());
    for tag in ["both", "docker.io/library/x:both"] {
        assert_eq!(digest(choice(Some(tag), Some("linux/arm64"))).unwrap(), images[1].digest());
    }
    for wrong in [choice(None, None), choice(Some("none"), None), choice(Some("both"), Some("linux/s390x"))] {
        assert!(matches!(digest(wrong), Err(OpenError::Choose { .. })));
    }
    fixture.index(&[entry(&images[0], None), entry(&images[1], None)]);
    assert_eq!(digest(choice(None, Some("linux/arm64"))).unwrap(), images[1].digest());
    fixture.index(&[]);
    assert!(matches!(digest(choice(None, None)), Err(OpenError::Choose { .. })));
}

#[test]
fn damage_is_noticed_wherever_it_is() {
    let fixture = Fixture::new();
    let image = fixture.image("linux/amd64", &LAYERS[..1]);
    fixture.index(&[entry(&image, None)]);
    for digest in [image.digest(), image.config.digest(), image.layers[0].digest] {
        fixture.put(&image);
        let path = fixture.layout().join("blobs/sha256").join(digest.hex());
        let mut bytes = fs::read(&path).unwrap();
        bytes[20] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let changed = fixture.open_any().err();
        assert!(matches!(changed, Some(OpenError::Mismatch { .. } | OpenError::Layer { .. })), "{changed:?}");
        bytes.pop();
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(fixture.open_any(), Err(OpenError::Size { .. })));
        fs::remove_file(&path).unwrap();
        assert!(matches!(fixture.open_any(), Err(OpenError::Missing(_))));
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert!(matches!(fixture.open_any(), Err(OpenError::Missing(_))), "links are not followed");
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn documents_that_disagree_are_refused() {
    let fixture = Fixture::new();
    let image = fixture.image("linux/amd64", &LAYERS[..2]);
    fixture.put(&image);
    let manifest: Value = serde_json::from_slice(image.manifest.bytes()).unwrap();
    let config: Value = serde_json::from_slice(image.config.bytes()).unwrap();
    let with_manifest = |change: &dyn Fn(&mut Value)| {
        let mut manifest = manifest.clone();
        change(&mut manifest);
        let bytes = manifest.to_string();
        let mut entry = entry(&image, None);
        entry["digest"] = fixture.blob(bytes.as_bytes()).into();
        entry["size"] = bytes.len().into();
        fixture.index(&[entry]);
        fixture.open_any()
    };
    let with_config = |change: &dyn Fn(&mut Value)| {
        let mut config = config.clone();
        change(&mut config);
        let bytes = config.to_string();
        with_manifest(&|manifest| {
            manifest["config"]["digest"] = fixture.blob(bytes.as_bytes()).into();
            manifest["config"]["size"] = bytes.len().into();
        })
    };
    assert!(with_manifest(&|_| {}).is_ok());
    let ambiguous = with_manifest(&|manifest| manifest["manifests"] = json!([]));
    assert!(matches!(ambiguous, Err(OpenError::Ambiguous { .. })), "CVE-2021-41190");
    let escaping = with_manifest(&|manifest| manifest["layers"][0]["digest"] = "sha256:../../x".into());
    assert!(matches!(escaping, Err(OpenError::Document { .. })));
    let upper = with_manifest(&|manifest| {
        let digest = manifest["layers"][0]["digest"].as_str().unwrap().to_uppercase().replace("SHA256", "sha256");
        manifest["layers"][0]["digest"] = digest.into();
    });
    assert!(matches!(upper, Err(OpenError::Document { .. })));
    let negative = with_manifest(&|manifest| manifest["layers"][0]["size"] = (-1).into());
    assert!(matches!(negative, Err(OpenError::Document { .. })));
    let fewer = with_manifest(&|manifest| drop(manifest["layers"].as_array_mut().unwrap().pop()));
    assert!(matches!(fewer, Err(OpenError::LayerCount { layers: 1, diff_ids: 2 })));
    let swapped = with_config(&|config| config["rootfs"]["diff_ids"].as_array_mut().unwrap().reverse());
    assert!(matches!(swapped, Err(OpenError::Mismatch { what: "uncompressed layer", .. })));
    let no_digest = with_config(&|config| config["rootfs"]["diff_ids"][0] = "md5:0".into());
    assert!(matches!(no_digest, Err(OpenError::Digest { .. })));
}

#[test]
fn indexes_that_go_on_and_on_are_given_up() {
    let fixture = Fixture::new();
    let mut entry =
        json!({ "digest": fixture.blob(b"{}"), "size": 2, "mediaType": "application/vnd.oci.image.index.v1+json" });
    for _ in 0..6 {
        let index = json!({ "schemaVersion": 2, "manifests": [entry] }).to_string();
        entry["digest"] = fixture.blob(index.as_bytes()).into();
        entry["size"] = index.len().into();
    }
    fixture.index(&[entry]);
    assert!(matches!(fixture.open_any(), Err(OpenError::Choose { .. })));
}

#[test]
fn archives_of_old_docker_versions() {
    let fixture = Fixture::new();
    let image = fixture.image("linux/amd64", &[("one", Compression::None), ("one", Compression::None)]);
    let layer = fs::read(&image.layers[0].path).unwrap();
    let docker = json!([{ "Config": "config.json", "RepoTags": ["old:1"], "Layers": ["a/layer.tar", "b/layer.tar"] }]);
    let write = |target: &str| {
        let mut tree = Tree::new();
        let mut put = |path: &'static str, inode| _ = tree.insert_with_parents(TreePath::literal(path), inode).unwrap();
        let file = |bytes: &[u8]| Inode::file(0o644, Content::bytes(bytes), Origin::Sandbox);
        put("a/layer.tar", file(&layer));
        put("b/layer.tar", Inode::symlink(target, Origin::Sandbox));
        put("config.json", file(image.config.bytes()));
        put("manifest.json", file(docker.to_string().as_bytes()));
        let path = fixture.folder.path().join("docker.tar");
        crate::archive::write_tar(&tree, Default::default(), fs::File::create(&path).unwrap()).unwrap();
        open(&path, &choice(Some("old:1"), None), &Limits::default(), &fixture.store.temporary())
    };
    let opened = write("../a/layer.tar").unwrap();
    assert_eq!(paths(&opened), "/etc /etc/one");
    assert_eq!(opened.image.unwrap().digest, None);
    assert!(matches!(write("layer.tar"), Err(OpenError::Resolve { .. })), "a circle");
    assert!(matches!(write("../../../../etc/passwd"), Err(OpenError::Missing(_))), "outside of the archive");
}

#[test]
fn other_tars_are_root_filesystems() {
    let fixture = Fixture::new();
    let path = fixture.folder.path().join("rootfs.tar.zst");
    let mut tar = TarWriter::new(Vec::new());
    tar.file("etc/os-release", &Meta::new(0o644), 3, &b"ID="[..]).unwrap();
    fs::write(&path, zstd::bulk::compress(&tar.finish().unwrap(), 1).unwrap()).unwrap();
    let opened = open(&path, &Choice::default(), &Limits::default(), &fixture.store.temporary()).unwrap();
    assert!(opened.image.is_none());
    assert_eq!(paths(&opened), "/etc /etc/os-release");
    let other = |path: &Path| open(path, &Choice::default(), &Limits::default(), &fixture.store.temporary());
    assert!(matches!(other(fixture.store.root()), Err(OpenError::NotLayout(_))));
    assert!(matches!(other(Path::new("/nonexistent")), Err(OpenError::Io { .. })));
    for (text, expected) in
        [("hsqs\0\0\0\0", "a squashfs file system"), ("070701000000", "a cpio archive"), ("", "empty")]
    {
        fs::write(&path, text).unwrap();
        assert!(matches!(other(&path), Err(OpenError::NoTar { what, .. }) if what == expected), "{text}");
        // Compressed files are looked into.
        fs::write(&path, zstd::bulk::compress(text.as_bytes(), 1).unwrap()).unwrap();
        assert!(matches!(other(&path), Err(OpenError::NoTar { what, .. }) if what == expected), "{text}");
    }
    fs::write(&path, "no tar at all").unwrap();
    assert!(matches!(other(&path), Err(OpenError::Archive { .. })));
}

#[test]
fn what_there_is_instead_is_listed() {
    let entry = |number: char, platform: Option<(&str, &str, Option<&str>)>| -> Descriptor {
        let mut entry = json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 2,
            "digest": format!("sha256:{}", number.to_string().repeat(64)),
        });
        if let Some((os, architecture, variant)) = platform {
            entry["platform"] = json!({ "os": os, "architecture": architecture });
            if let Some(variant) = variant {
                entry["platform"]["variant"] = variant.into();
            }
        }
        serde_json::from_value(entry).unwrap()
    };
    let there = |error: OpenError| match error {
        OpenError::Choose { there, .. } => there,
        other => panic!("{other}"),
    };
    let choice = Choice { tag: None, platform: Some("linux/s390x".parse().unwrap()) };
    let entries = [
        entry('1', Some(("linux", "arm", Some("v7")))),
        entry('2', Some(("windows", "amd64", None))),
        entry('3', Some(("unknown", "unknown", None))),
        entry('4', None),
    ];
    let listed = there(by_platform(&entries, &choice).unwrap_err());
    assert_eq!(listed, format!("linux/arm/v7, windows/amd64, sha256:{}", "4".repeat(64)));
    assert_eq!(there(by_platform(&[], &choice).unwrap_err()), "no images");
    let nameless = [entry('5', None), entry('6', None)];
    let listed = there(choose::by_tag(&nameless, &Choice::default()).unwrap_err());
    assert!(listed.starts_with("2 without a name: sha256:555") && listed.contains("sha256:666"), "{listed}");
}

#[test]
fn variants_and_versions_are_chosen_as_engines_do() {
    let entry = |number: usize, os: &str, version: Option<&str>, architecture: &str, variant: Option<&str>| {
        let mut entry = json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 2,
            "digest": format!("sha256:{number:064}"), "platform": { "os": os, "architecture": architecture },
        });
        if let Some(variant) = variant {
            entry["platform"]["variant"] = variant.into();
        }
        if let Some(version) = version {
            entry["platform"]["os.version"] = version.into();
        }
        entry
    };
    let entries = [
        entry(0, "linux", None, "arm", Some("v5")),
        entry(1, "linux", None, "arm", Some("v6")),
        entry(2, "linux", None, "arm64", Some("v8")),
        entry(3, "linux", None, "mips64le", None),
        entry(4, "windows", Some("10.0.20348.1"), "amd64", None),
        entry(5, "windows", Some("10.0.26100.7"), "amd64", None),
        entry(6, "unknown", None, "unknown", None),
    ];
    let index = json!({ "manifests": entries }).to_string();
    let entries = oci::entries(index.as_bytes(), "image index").unwrap();
    let chosen = |platform: &str| {
        let choice = Choice { tag: None, platform: Some(platform.parse().unwrap()) };
        by_platform(&entries, &choice).ok().map(|found| found.digest().to_string()[7..].parse::<usize>().unwrap())
    };
    assert_eq!(chosen("linux/arm"), Some(1), "the newest that runs there");
    assert_eq!(chosen("linux/arm/v5"), Some(0));
    assert_eq!(chosen("linux/aarch64"), Some(2));
    assert_eq!(chosen("linux/mips64le"), Some(3));
    assert_eq!(chosen("windows/amd64"), Some(4));
    assert_eq!(chosen("windows(10.0.26100)/amd64"), Some(5));
    assert_eq!(chosen("linux/loong64"), None);
    let missing = by_platform(&entries, &choice(None, Some("linux/386"))).unwrap_err();
    assert!(missing.to_string().contains("linux/386"));
    let OpenError::Choose { there, .. } = missing else { panic!() };
    assert!(there.contains("linux/arm/v6") && there.contains("windows(10.0.26100.7)/amd64"), "{there}");
}

#[test]
fn indexes_in_indexes_are_looked_into() {
    const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    let entry = |number: u8, kind: &str, platform: Option<&str>| -> Descriptor {
        let digest = format!("sha256:{number:064}");
        let mut entry = json!({ "mediaType": kind, "size": 2, "digest": digest });
        if let Some((os, architecture)) = platform.and_then(|platform| platform.split_once('/')) {
            entry["platform"] = json!({ "os": os, "architecture": architecture });
        }
        serde_json::from_value(entry).unwrap()
    };
    let number = |found: &Descriptor| found.digest().to_string()[7..].parse::<u8>().unwrap();
    let read = |index: &Descriptor| -> Result<Vec<Descriptor>, OpenError> {
        Ok(match number(index) {
            1 => vec![entry(2, MANIFEST, Some("linux/s390x")), entry(3, INDEX, None)],
            3 => vec![entry(4, MANIFEST, Some("linux/riscv64"))],
            _ => vec![entry(9, INDEX, None)],
        })
    };
    let top = [entry(5, MANIFEST, Some("linux/386")), entry(1, INDEX, None)];
    let within = |entries: &[Descriptor], platform: &str| {
        in_indexes(entries, &choice(None, Some(platform)), &read).map_err(|error| error.into_error(|error| error))
    };
    let found = |platform: &str| within(&top, platform).map(|found| number(&found));
    assert_eq!(found("linux/386").unwrap(), 5);
    assert_eq!(found("linux/s390x").unwrap(), 2);
    assert_eq!(found("linux/riscv64").unwrap(), 4);
    let OpenError::Choose { there, .. } = found("linux/arm64").unwrap_err() else { panic!() };
    assert_eq!(there, "linux/riscv64, linux/s390x, linux/386");
    let circle = within(&[entry(9, INDEX, None)], "linux/386").unwrap_err();
    assert!(circle.to_string().contains("more than 4 deep"), "{circle}");
}

#[test]
fn platforms_that_an_index_does_not_say_are_those_of_the_configurations() {
    let fixture = Fixture::new();
    let images = ["linux/amd64", "linux/arm64"].map(|platform| fixture.image(platform, &LAYERS[..1]));
    images.iter().for_each(|image| fixture.put(image));
    let unsaid = |image: &Image| {
        let mut entry = entry(image, None);
        entry.as_object_mut().unwrap().remove("platform");
        entry
    };
    // Of this one nothing is there, as in layouts that hold a part.
    let mut gone = unsaid(&images[0]);
    gone["digest"] = format!("sha256:{}", "7".repeat(64)).into();
    let index = json!({ "schemaVersion": 2, "manifests": [unsaid(&images[0]), gone, unsaid(&images[1])] }).to_string();
    let media_type = "application/vnd.oci.image.index.v1+json";
    let top = json!({ "mediaType": media_type, "digest": fixture.blob(index.as_bytes()), "size": index.len() });
    fixture.index(&[top]);
    for (image, platform) in images.iter().zip(["linux/amd64", "linux/arm64"]) {
        let opened = fixture.open(&choice(None, Some(platform))).unwrap();
        let opened = opened.image.unwrap();
        assert_eq!(opened.digest, Some(image.digest()));
        assert_eq!(opened.named[2].platform().as_ref().map(platform_text).as_deref(), Some("linux/arm64/v8"));
    }
    let Err(OpenError::Choose { there, .. }) = fixture.open(&choice(None, Some("linux/s390x"))) else { panic!() };
    assert_eq!(there, format!("linux/amd64, sha256:{}, linux/arm64/v8", "7".repeat(64)));
    let config = fixture.layout().join("blobs/sha256").join(images[1].config.digest().hex());
    let text = fs::read_to_string(&config).unwrap().replace("arm64", "s390x");
    fs::write(&config, text).unwrap();
    let tampered = fixture.open(&choice(None, Some("linux/s390x"))).map(drop).unwrap_err();
    assert!(matches!(tampered, OpenError::Mismatch { .. }), "{tampered}");
}

#[test]
fn an_archive_has_further_names_in_the_list_of_docker() {
    let fixture = Fixture::new();
    let image = fixture.image("linux/amd64", &LAYERS[..1]);
    fixture.put(&image);
    fixture.index(&[entry(&image, Some("1"))]);
    let list = json!([{ "Config": "x", "Layers": [], "RepoTags": ["a:1", "b:1", "localhost/c:2"] }]).to_string();
    fs::write(fixture.layout().join("manifest.json"), list).unwrap();
    let named = |name: &str| {
        let temporary = fixture.store.temporary();
        locate(&fixture.layout(), &choice(Some(name), None), &Limits::default(), &temporary)
    };
    for (asked, name) in [
        ("b:1", "docker.io/library/b:1"),
        ("docker.io/library/b:1", "docker.io/library/b:1"),
        ("localhost/c:2", "localhost/c:2"),
        ("2", "localhost/c:2"),
    ] {
        let found = named(asked).unwrap();
        assert_eq!((found.entry, found.name.as_deref()), (Some(image.digest()), Some(name)), "{asked}");
    }
    assert_eq!(named("1").unwrap().name, None, "the tag of the index is enough");
    let Err(OpenError::Choose { there, .. }) = named("d:1") else { panic!() };
    assert_eq!(there, "a:1, b:1, localhost/c:2");
}
