use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::Read;
use std::num::NonZeroUsize;

use super::*;
use crate::archive::{Compression, Limits, decompress};
use crate::digest::{DiffId, Digest};
use crate::epoch::Epoch;
use crate::platform::Platform;
use crate::store::Store;
use crate::tree::{Content, Inode, Origin, Tree, TreePath};

fn tree() -> Tree {
    let mut tree = Tree::new();
    for number in 0..40_u32 {
        let text: Vec<u8> = (0..100_000_u32).map(|byte| ((byte * number) >> 7) as u8).collect();
        let path = TreePath::new(format!("usr/lib/file-{number}")).unwrap();
        tree.insert_with_parents(path, Inode::file(0o644, Content::bytes(text), Origin::Sandbox)).unwrap();
    }
    tree
}

fn packed(compression: Compression, threads: usize, store: &Store) -> Layer {
    let packing = Packing { compression, threads: NonZeroUsize::new(threads).unwrap(), ..Packing::default() };
    pack(&tree(), packing, store, "rootsmith: layer rootfs", |_| {}).unwrap()
}

fn layer(compression: Compression) -> Layer {
    Layer {
        digest: Digest::of(b"layer"),
        diff_id: DiffId::new(Digest::of(b"tar")),
        size: 5,
        uncompressed_size: 3,
        compression,
        path: std::path::Path::new("/blob").into(),
        created_by: "rootsmith: layer rootfs".to_owned(),
    }
}

fn image(platform: &str, compression: Compression) -> Image {
    let config = ImageConfig {
        user: Some((65532, 65532)),
        env: vec![("Z".into(), "1".into()), ("A".into(), "2=3".into())],
        entrypoint: vec!["/usr/bin/tini".into(), "--".into()],
        cmd: vec!["bash".into()],
        working_dir: Some("/".into()),
        labels: BTreeMap::from([
            ("org.opencontainers.image.vendor".into(), "Example".into()),
            ("com.example.team".into(), "base".into()),
        ]),
        stop_signal: Some("SIGINT".into()),
        exposed_ports: ["8080".parse().unwrap(), "53/udp".parse().unwrap()].into(),
        ..ImageConfig::default()
    };
    Image::assemble(platform.parse().unwrap(), Epoch::from_seconds(0), &config, vec![layer(compression)]).unwrap()
}

#[test]
fn a_layer_is_the_same_for_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let golden = [
        (Compression::Gzip, "sha256:54a51fe22fe0b456eb533deafbea81a60f486d8e095168dd96fcef2f98bca7b7"),
        (Compression::Zstd, "sha256:bc9370121c5f8214bbd86d7fb17f40c9c877896bc1aa0aa06af23db6ba3d3fe3"),
        (Compression::None, "sha256:a47b8201869dad1e767e4d864a3c59d649357d381a2b7ea2e38463ac33be4222"),
    ];
    for (compression, digest) in golden {
        for threads in [1, 2, 3, 8] {
            let layer = packed(compression, threads, &store);
            assert_eq!(layer.digest.to_string(), digest, "{compression} by {threads} threads");
            let mut tar = Vec::new();
            let blob = std::fs::File::open(&layer.path).unwrap();
            decompress(blob, &Limits::default()).unwrap().read_to_end(&mut tar).unwrap();
            assert_eq!(layer.diff_id.digest(), Digest::of(&tar));
            assert_eq!(layer.uncompressed_size, tar.len() as u64);
        }
    }
}

#[test]
fn progress_counts_uncompressed_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let seen = Cell::new(0);
    let layer = pack(&tree(), Packing::default(), &store, "", |bytes| seen.set(seen.get() + bytes)).unwrap();
    assert_eq!(seen.get(), layer.uncompressed_size);
}

#[test]
fn a_layer_that_cannot_be_packed_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut tree = tree();
    tree.insert(TreePath::literal(".wh.x"), Inode::directory(0o755, Origin::Sandbox)).unwrap();
    let failed = pack(&tree, Packing::default(), &store, "", |_| {});
    assert!(matches!(failed, Err(ImageError::Archive { .. })));
    assert_eq!(std::fs::read_dir(store.temporary()).unwrap().count(), 0);
}

#[test]
fn documents() {
    let image = image("linux/arm64", Compression::Gzip);
    let config = String::from_utf8(image.config.bytes().to_vec()).unwrap();
    let expected = r#"{"architecture":"arm64","config":{"Cmd":["bash"],"Entrypoint":["/usr/bin/tini","--"],
        "Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","Z=1","A=2=3"],
        "ExposedPorts":{"53/udp":{},"8080/tcp":{}},
        "Labels":{"com.example.team":"base","org.opencontainers.image.vendor":"Example"},
        "StopSignal":"SIGINT","User":"65532:65532","WorkingDir":"/"},"created":"1970-01-01T00:00:00Z",
        "history":[{"created":"1970-01-01T00:00:00Z","created_by":"rootsmith: layer rootfs"}],"os":"linux",
        "rootfs":{"diff_ids":["DIFF"],"type":"layers"},"variant":"v8"}"#;
    let expected = expected.replace("\n        ", "").replace("DIFF", &Digest::of(b"tar").to_string());
    assert_eq!(config, expected);
    let manifest = String::from_utf8(image.manifest.bytes().to_vec()).unwrap();
    let expected = r#"{"annotations":{"org.opencontainers.image.vendor":"Example"},
        "config":{"digest":"CONFIG","mediaType":"application/vnd.oci.image.config.v1+json","size":SIZE},
        "layers":[{"digest":"LAYER","mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","size":5}],
        "mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2}"#;
    let expected = expected
        .replace("\n        ", "")
        .replace("CONFIG", &Digest::of(config.as_bytes()).to_string())
        .replace("SIZE", &config.len().to_string())
        .replace("LAYER", &Digest::of(b"layer").to_string());
    assert_eq!(manifest, expected);
}

#[test]
fn an_index_names_each_platform_once() {
    let images = vec![image("linux/arm64", Compression::Gzip), image("linux/amd64", Compression::Zstd)];
    let index = Index::assemble(images, BTreeMap::new()).unwrap();
    let text = String::from_utf8(index.index.bytes().to_vec()).unwrap();
    let [amd64, arm64] = [&index.images[0], &index.images[1]];
    let expected = format!(
        "{{\"manifests\":[{{\"annotations\":{{\"io.github.containers.compression.zstd\":\"true\"}},\"digest\":\"{}\",\
         \"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"platform\":{{\"architecture\":\"amd64\",\
         \"os\":\"linux\"}},\"size\":{}}},{{\"digest\":\"{}\",\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\
         \"platform\":{{\"architecture\":\"arm64\",\"os\":\"linux\",\"variant\":\"v8\"}},\"size\":{}}}],\
         \"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"schemaVersion\":2}}",
        amd64.digest(),
        amd64.manifest.size(),
        arm64.digest(),
        arm64.manifest.size()
    );
    assert_eq!(text, expected);
    assert_eq!(Artifact::Index(Box::new(index.clone())).digest(), Digest::of(text.as_bytes()));
    assert_eq!(Artifact::Index(Box::new(index)).size(), 5, "a layer of both is there once");
    let twice = vec![image("linux/amd64", Compression::Gzip), image("linux/amd64", Compression::Zstd)];
    assert!(matches!(Index::assemble(twice, BTreeMap::new()), Err(ImageError::Platform(_))));
}

#[test]
fn configurations_that_no_runtime_accepts_are_refused() {
    let platform: Platform = "linux/amd64".parse().unwrap();
    let assemble = |config| Image::assemble(platform, Epoch::default(), &config, Vec::new());
    let relative = ImageConfig { working_dir: Some("home".into()), ..ImageConfig::default() };
    assert!(matches!(assemble(relative), Err(ImageError::WorkingDirectory(_))));
    let overflow = ImageConfig { user: Some((0, 1 << 31)), ..ImageConfig::default() };
    assert!(matches!(assemble(overflow), Err(ImageError::User { .. })));
    let variable = ImageConfig { env: vec![("A=B".into(), "x".into())], ..ImageConfig::default() };
    assert!(matches!(assemble(variable), Err(ImageError::Variable(_))));
    let path = ImageConfig { env: vec![("PATH".into(), "/bin".into())], ..ImageConfig::default() };
    let image = assemble(path).unwrap();
    assert_eq!(image.config.document().config().as_ref().unwrap().env(), &Some(vec!["PATH=/bin".to_owned()]));
    for wrong in ["", "0", "65536", "+80", "80/icmp", "80/"] {
        assert!(wrong.parse::<ExposedPort>().is_err(), "{wrong}");
    }
}

#[test]
fn layers_and_settings_of_a_base_are_kept() {
    let below = Layer {
        digest: Digest::of(b"below"),
        diff_id: DiffId::new(Digest::of(b"below tar")),
        ..layer(Compression::Zstd)
    };
    let history: Vec<oci_spec::image::History> =
        serde_json::from_str(r#"[{"created_by":"ADD"},{"created_by":"ENV","empty_layer":true}]"#).unwrap();
    let base = Base::new(vec![below], history.clone());
    let inherited = serde_json::json!({
        "User": "nobody:nogroup", "Env": ["PATH=/bin", "A=1", "B=2"], "Entrypoint": ["/start"], "Cmd": ["a", "b"],
        "WorkingDir": "/srv", "ExposedPorts": { "80/tcp": {} }, "Volumes": null, "StopSignal": "SIGUSR1",
        "Labels": { "x": "1", "org.opencontainers.image.base.digest": "sha256:00", "org.opencontainers.image.vendor": "V" },
        "Healthcheck": { "Test": ["CMD", "true"] }, "Shell": ["/bin/ash"], "OnBuild": ["RUN x"], "StopTimeout": 5,
        "Hostname": "0123456789ab", "Image": "sha256:00", "AttachStdin": false,
    });
    let config = ImageConfig {
        env: vec![("C".into(), "3".into()), ("A".into(), "9".into())],
        cmd: vec!["c".into()],
        labels: BTreeMap::from([("x".into(), "2".into())]),
        exposed_ports: ["53/udp".parse().unwrap()].into(),
        inherited: inherited.as_object().unwrap().clone(),
        annotations: BTreeMap::from([("org.opencontainers.image.base.name".into(), "example.com/b:1".into())]),
        ..ImageConfig::default()
    };
    let platform = "linux/amd64".parse().unwrap();
    let on = |layers| Image::assemble_on(&base, platform, Epoch::from_seconds(7), &config, layers).unwrap();
    let image = on(vec![layer(Compression::Gzip)]);
    let value: serde_json::Value = serde_json::from_slice(image.config.bytes()).unwrap();
    let expected = serde_json::json!({
        "User": "nobody:nogroup", "Env": ["PATH=/bin", "A=9", "B=2", "C=3"], "Entrypoint": ["/start"], "Cmd": ["c"],
        "WorkingDir": "/srv", "ExposedPorts": { "53/udp": {}, "80/tcp": {} }, "StopSignal": "SIGUSR1",
        "Labels": { "x": "2", "org.opencontainers.image.vendor": "V" },
        "Healthcheck": { "Test": ["CMD", "true"] }, "Shell": ["/bin/ash"], "OnBuild": ["RUN x"], "StopTimeout": 5,
    });
    assert_eq!(value["config"], expected);
    assert_eq!(value["history"][0]["created_by"], "ADD");
    assert_eq!(value["history"].as_array().unwrap().len(), 3);
    let diff_ids = [Digest::of(b"below tar"), Digest::of(b"tar")].map(|digest| digest.to_string());
    assert_eq!(value["rootfs"]["diff_ids"], serde_json::json!(diff_ids));
    let manifest: serde_json::Value = serde_json::from_slice(image.manifest.bytes()).unwrap();
    assert_eq!(manifest["layers"][0]["mediaType"], "application/vnd.oci.image.layer.v1.tar+zstd");
    assert_eq!(manifest["layers"][1]["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");
    let annotations = serde_json::json!({
        "org.opencontainers.image.base.name": "example.com/b:1", "org.opencontainers.image.vendor": "V",
    });
    assert_eq!(manifest["annotations"], annotations);
    assert_eq!(on(Vec::new()).config.document().history().as_ref().unwrap(), &history, "no layer, no history");
    // A history that tells of other layers than there are.
    let odd = Base::new(vec![layer(Compression::Gzip)], Vec::new());
    assert_eq!(odd.history.len(), 1);
}

#[test]
fn whiteouts_come_before_their_siblings() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let file = |text: &str| Inode::file(0o644, Content::bytes(text.as_bytes()), Origin::Sandbox);
    let (mut base, mut top) = (Tree::new(), Tree::new());
    for name in ["a/-", "a/gone", "a/kept", "z"] {
        base.insert_with_parents(TreePath::new(name).unwrap(), file("1")).unwrap();
    }
    for (name, text) in [("a/-", "2"), ("a/kept", "1"), ("a/new", "3")] {
        top.insert_with_parents(TreePath::new(name).unwrap(), file(text)).unwrap();
    }
    let difference = crate::tree::Difference::between(&base, &top).unwrap();
    let plain = Packing { compression: Compression::None, ..Packing::default() };
    let layer = pack_difference(&difference, plain, &store, "x", |_| {}).unwrap();
    let mut archive = tar::Archive::new(std::fs::File::open(&layer.path).unwrap());
    let entries = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        (String::from_utf8_lossy(&entry.path_bytes()).into_owned(), entry.size())
    });
    let expected = [("./", 0), (".wh.z", 0), ("a/", 0), ("a/.wh.gone", 0), ("a/-", 1), ("a/new", 1)];
    assert_eq!(entries.collect::<Vec<_>>(), expected.map(|(name, size)| (name.to_owned(), size)));
}
