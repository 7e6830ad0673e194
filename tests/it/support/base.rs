//! A tiny finished image to put things on: an OCI layout of one uncompressed layer.

use std::fs;
use std::path::Path;

use rootsmith::digest::Digest;
use serde_json::json;

/// Writes an image whose root filesystem has these files, and gives its layer's digest.
pub fn write(folder: &Path, files: &[(&str, &str)]) -> String {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let put = |bytes: &[u8]| {
        let digest = Digest::of(bytes);
        fs::write(blobs.join(digest.hex()), bytes).unwrap();
        (digest.to_string(), bytes.len())
    };
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o755);
        header.set_size(text.len() as u64);
        header.set_mtime(0);
        header.set_cksum();
        tar.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    let layer = put(&tar.into_inner().unwrap());
    let config = put(json!({
        "architecture": "amd64", "os": "linux", "created": "2020-01-01T00:00:00Z",
        "config": {
            "Env": ["PATH=/bin", "KEPT=yes"], "Entrypoint": ["/usr/bin/tini", "--"], "Cmd": ["sh"],
            "User": "10001:10001", "Healthcheck": { "Test": ["NONE"] },
        },
        "rootfs": { "type": "layers", "diff_ids": [layer.0] },
        "history": [{ "created": "2020-01-01T00:00:00Z", "created_by": "base" }],
    })
    .to_string()
    .as_bytes());
    let manifest = put(json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config.0, "size": config.1,
        },
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer.0, "size": layer.1,
        }],
    })
    .to_string()
    .as_bytes());
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": manifest.0, "size": manifest.1,
            "platform": { "os": "linux", "architecture": "amd64" },
        }],
    });
    fs::write(folder.join("index.json"), index.to_string()).unwrap();
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    layer.0
}
