//! Uploads and downloads that break, and answers that are wrong.

use super::*;

#[test]
fn an_upload_that_is_cut_goes_on() {
    let (workspace, digest) = image();
    let (_, size) = layer(&workspace);
    for place in 0..20 {
        let registry = Registry::start();
        let after = size * place / 20;
        registry.fault("PUT", "/blobs/uploads/", 1, What::CutRequest(after));
        let pushed = push(&workspace, &format!("{}/base:1", registry.address()));
        assert_eq!(pushed.digest(), digest, "cut after {after}");
        assert_eq!(registry.tags("base")["1"], digest);
        let sent = received(&registry.log());
        // The configuration may be what was cut.
        assert!(sent < size + size / 10, "{sent} bytes were received, cut after {after} of {size}");
    }
    let forgetful = Registry::start().without_resuming();
    forgetful.fault("PUT", "/blobs/uploads/", 2, What::CutRequest(size / 2));
    assert_eq!(push(&workspace, &format!("{}/base:1", forgetful.address())).digest(), digest);
}

#[test]
fn a_push_that_was_ended_goes_on_in_the_next() {
    let (workspace, digest) = image();
    let (_, size) = layer(&workspace);
    let registry = Registry::start();
    let to = format!("{}/base:1", registry.address());
    registry.fault("PUT", "/blobs/uploads/", 2, What::CutRequest(size / 2));
    // The first run cannot go on: the registry refuses for a while.
    let later = What::Answer { status: 503, headers: vec![("Retry-After".into(), "600".into())], body: vec![] };
    registry.fault("GET", "/blobs/uploads/", 9, later.clone());
    registry.fault("POST", "/blobs/uploads/", 9, later.clone());
    registry.fault("HEAD", "/manifests/", 9, later);
    let first = push(&workspace, &to);
    assert!(first.code == 4 || first.code == 0, "{}", first.stderr);
    assert_ne!(first.code, 0);
    let first = received(&registry.log());
    registry.heal();
    assert_eq!(push(&workspace, &to).digest(), digest);
    let second = received(&registry.log());
    assert!(first + second < size + size / 10, "{first} and {second} bytes were received of {size}");
}

#[test]
fn a_download_that_is_cut_goes_on() {
    let (workspace, digest) = image();
    let (_, size) = layer(&workspace);
    let registry = Registry::start();
    let name = format!("{}/base:1", registry.address());
    push(&workspace, &name).succeeded();
    for place in 0..20 {
        empty_store(&workspace);
        registry.log();
        let after = size * place / 20;
        registry.fault("GET", "/blobs/", 1, What::CutAnswer(after));
        assert_eq!(pull(&workspace, &name, &format!("pulled-{place}")).digest(), digest, "cut after {after}");
    }
}

#[test]
fn wrong_bytes_are_refused() {
    let (workspace, _) = image();
    let registry = Registry::start();
    let name = format!("{}/base:1", registry.address());
    push(&workspace, &name).succeeded();
    empty_store(&workspace);
    registry.fault("GET", "/manifests/", 1, What::Flip(100));
    pull(&workspace, &name, "a").failed_with(4).says("gave other bytes than asked for");
    registry.fault("GET", "/blobs/", 9, What::Flip(0));
    pull(&workspace, &name, "b").failed_with(4).says("gave other bytes than asked for");
    registry.heal();
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let both = json!({ "schemaVersion": 2, "mediaType": kind, "layers": [], "manifests": [] });
    registry.add_manifest("base", &both, Some("both"));
    let both = format!("{}/base:both", registry.address());
    pull(&workspace, &both, "c").failed_with(4).says("an index and a manifest at once");
    let page = What::Answer { status: 200, headers: vec![], body: b"<html>a proxy's page</html>".to_vec() };
    registry.fault("GET", "/manifests/", 1, page);
    pull(&workspace, &name, "d").failed_with(4).says("is it a registry?");
    // A layer that is not what its name says is not pushed by us either.
    let (layer, _) = layer(&workspace);
    let path = workspace.path("image/blobs/sha256").join(layer.strip_prefix("sha256:").unwrap());
    let mut bytes = fs::read(&path).unwrap();
    bytes[1000] ^= 1;
    fs::write(&path, bytes).unwrap();
    let other = format!("{}/other:1", registry.address());
    push(&workspace, &other).failed_with(2).says("is damaged: it has the digest");
    assert!(registry.tags("other").is_empty());
}

#[test]
fn a_giant_manifest_is_not_read() {
    let (workspace, _) = image();
    let registry = Registry::start();
    let name = format!("{}/base:1", registry.address());
    for announced in [true, false] {
        registry.fault("GET", "/manifests/", 9, What::Flood { size: 100 << 20, announced });
        pull(&workspace, &name, "none").failed_with(4).says("is larger than the 4194304 bytes");
    }
}

#[test]
fn too_many_requests_are_made_later() {
    let (workspace, digest) = image();
    let registry = Registry::start();
    let name = format!("{}/base:1", registry.address());
    let busy = |seconds: &str| What::Answer {
        status: 429,
        headers: vec![("Retry-After".into(), seconds.into())],
        body: br#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}"#.to_vec(),
    };
    registry.fault("POST", "/blobs/", 1, busy("1"));
    registry.fault("PUT", "/blobs/", 1, busy("0"));
    registry.fault("PUT", "/manifests/", 2, busy("0"));
    let begun = std::time::Instant::now();
    assert_eq!(push(&workspace, &name).digest(), digest);
    assert!(begun.elapsed().as_secs_f64() >= 1.0, "the registry asked to wait a second");
    registry.fault("GET", "/manifests/", 1, busy("3600"));
    pull(&workspace, &name, "none")
        .failed_with(4)
        .says("answered 429: slow down (TOOMANYREQUESTS)")
        .says("wait, or log in");
}

#[test]
fn a_blob_too_large_for_one_request_goes_in_parts() {
    let (workspace, digest) = image();
    let registry = Registry::start();
    registry.fault("PUT", "/blobs/uploads/", 1, What::Answer { status: 413, headers: vec![], body: vec![] });
    assert_eq!(push(&workspace, &format!("{}/base:1", registry.address())).digest(), digest);
    assert!(registry.log().iter().any(|seen| seen.method == "PATCH"));
}

#[test]
fn a_tag_that_may_not_move_is_told() {
    let (workspace, _) = image();
    let registry = Registry::start();
    let body = br#"{"errors":[{"code":"TAG_INVALID","message":"the repository is immutable"}]}"#.to_vec();
    registry.fault("PUT", "/manifests/1", 9, What::Answer { status: 400, headers: vec![], body });
    let name = format!("{}/base:1", registry.address());
    push(&workspace, &name).failed_with(4).says("the tag").says("immutable").says("--push-by-digest");
}

#[test]
fn a_repository_that_has_to_be_made_first_is_told() {
    let (workspace, _) = image();
    let registry = Registry::start();
    let words = "The repository with name 'base' does not exist in the registry with id '1'";
    let body = json!({ "errors": [{ "code": "NAME_UNKNOWN", "message": words }] }).to_string().into_bytes();
    registry.fault("POST", "/blobs/uploads/", 9, What::Answer { status: 404, headers: vec![], body });
    let pushed = push(&workspace, &format!("{}/base:1", registry.address()));
    pushed.failed_with(4).says("cannot push to `base`").says(words).says("create it there first");
}
