//! What refers to an image goes with it.

use super::*;

/// Lets two manifests refer to an image: a signature, and one that refers to that.
fn add_referrers(registry: &Registry, repository: &str, digest: &str) -> Vec<String> {
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let empty = registry.add_blob(repository, "application/vnd.oci.empty.v1+json", b"{}");
    let size = serde_json::to_vec(&registry.manifest(repository, digest).unwrap()).unwrap().len();
    let refer = |subject: Value, text: &str| {
        let layer = registry.add_blob(repository, "text/plain", text.as_bytes());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": kind, "artifactType": "application/x.test", "config": empty,
            "layers": [layer], "subject": subject, "annotations": { "about": text },
        });
        registry.add_manifest(repository, &manifest, None)
    };
    let one = refer(json!({ "mediaType": kind, "digest": digest, "size": size }), "a signature");
    let two = refer(one.clone(), "about the signature");
    vec![one["digest"].as_str().unwrap().to_owned(), two["digest"].as_str().unwrap().to_owned()]
}

#[test]
fn referrers_cross_an_air_gap() {
    let (workspace, digest) = image();
    let outside = Registry::start();
    push(&workspace, &format!("{}/base:1", outside.address())).succeeded();
    let referrers = add_referrers(&outside, "base", &digest);
    let from = format!("docker://{}/base:1", outside.address());
    let inspected = workspace.rootsmith(["inspect", &from, "--json"]);
    let inspected: Value = serde_json::from_str(&inspected.succeeded().stdout).unwrap();
    assert_eq!(inspected["referrers"][0]["digest"], referrers[0].as_str());
    assert_eq!(inspected["referrers"][0]["artifact_type"], "application/x.test");

    for place in ["oci-archive:gap.tar", "oci:gap:1"] {
        assert_eq!(workspace.rootsmith(["copy", &from, place]).digest(), digest);
        let inside = Registry::start();
        let to = format!("docker://{}/inside/base:1", inside.address());
        assert_eq!(workspace.rootsmith(["copy", place, &to]).digest(), digest);
        for referrer in &referrers {
            assert!(inside.manifest("inside/base", referrer).is_some(), "{place} {referrer}");
        }
        let put: Vec<Seen> = inside.log().into_iter().filter(|seen| seen.method == "PUT").collect();
        assert!(put.last().unwrap().path.ends_with("/manifests/1"), "the tag is set last: {put:?}");
        // Without the API, the list is at a tag, with what the manifest says of itself.
        let old = Registry::start().without_referrers();
        let to = format!("docker://{}/base:1", old.address());
        for _ in 0..2 {
            assert_eq!(workspace.rootsmith(["copy", place, &to]).digest(), digest);
        }
        let list = old.manifest("base", &digest.replace(':', "-")).unwrap();
        assert_eq!(list["manifests"].as_array().unwrap().len(), 1);
        assert_eq!(list["manifests"][0]["digest"], referrers[0].as_str());
        assert_eq!(list["manifests"][0]["artifactType"], "application/x.test");
        assert_eq!(list["manifests"][0]["annotations"]["about"], "a signature");
        // And is read from there.
        let again = Registry::start();
        let back = format!("docker://{}/base:1", again.address());
        assert_eq!(workspace.rootsmith(["copy", &to, &back]).digest(), digest);
        assert!(again.manifest("base", &referrers[1]).is_some());
    }
    let bare = Registry::start();
    let to = format!("docker://{}/base:1", bare.address());
    workspace.rootsmith(["copy", "--no-referrers", &from, &to]).succeeded();
    assert!(bare.manifest("base", &referrers[0]).is_none());
}

#[test]
fn signatures_at_tags_come_along() {
    let (workspace, digest) = image();
    let outside = Registry::start();
    push(&workspace, &format!("{}/base:1", outside.address())).succeeded();
    let signed = |registry: &Registry, text: &str, suffix: &str| {
        let config = registry.add_blob("base", "application/vnd.oci.image.config.v1+json", b"{}");
        let layer = registry.add_blob("base", "application/vnd.dev.cosign.simplesigning.v1+json", text.as_bytes());
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({ "schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer] });
        let tag = format!("{}.{suffix}", digest.replace(':', "-"));
        (registry.add_manifest("base", &manifest, Some(&tag))["digest"].as_str().unwrap().to_owned(), tag)
    };
    let all = ["sig", "att", "sbom"].map(|suffix| signed(&outside, &format!("the {suffix}"), suffix));
    let from = format!("docker://{}/base:1", outside.address());
    for place in ["oci-archive:gap.tar", "oci:gap:1"] {
        assert_eq!(workspace.rootsmith(["copy", &from, place]).digest(), digest);
        let inside = Registry::start();
        let to = format!("docker://{}/inside/base:1", inside.address());
        assert_eq!(workspace.rootsmith(["copy", place, &to]).digest(), digest);
        let tags = inside.tags("inside/base");
        for (signature, tag) in &all {
            assert_eq!(tags.get(tag), Some(signature), "{place} {tag}");
        }
        // The image is still the only one that is meant without a name.
        let inspected = workspace.rootsmith(["inspect", place.trim_end_matches(":1"), "--json"]);
        let inspected: Value = serde_json::from_str(&inspected.succeeded().stdout).unwrap();
        assert_eq!(inspected["digest"], digest.as_str());
    }
    // Another signature at the place that is copied to gives way, and is named.
    let other = Registry::start();
    push(&workspace, &format!("{}/base:1", other.address())).succeeded();
    let (before, tag) = signed(&other, "another", "sig");
    let to = format!("docker://{}/base:1", other.address());
    workspace.rootsmith(["copy", &from, &to, "--progress", "lines"]).succeeded().says(&format!("was {before} before"));
    assert_eq!(other.tags("base")[&tag], all[0].0);
    let bare = Registry::start();
    let to = format!("docker://{}/base:1", bare.address());
    workspace.rootsmith(["copy", "--no-referrers", &from, &to]).succeeded();
    assert_eq!(bare.tags("base").len(), 1);
}

#[test]
fn trouble_with_referrers_is_a_warning() {
    let (workspace, digest) = image();
    let refusal = |status| What::Answer { status, headers: vec![], body: vec![] };
    let check = |registry: &Registry, words: &str| {
        let name = format!("{}/base:1", registry.address());
        push(&workspace, &name).succeeded();
        let pulled = pull(&workspace, &name, "pulled");
        assert_eq!(pulled.digest(), digest);
        pulled.says(words);
        workspace.rootsmith(["inspect", &format!("docker://{name}")]).succeeded();
    };
    for status in [401, 403, 500, 503] {
        let registry = Registry::start();
        registry.fault("GET", "/referrers/", 99, refusal(status));
        check(&registry, "is left out");
        assert!(registry.log().iter().filter(|seen| seen.path.contains("/referrers/")).count() <= 4, "{status}");
    }
    let tagless = Registry::start().without_referrers();
    tagless.fault("GET", "/manifests/sha256-", 99, refusal(403));
    check(&tagless, "is left out");

    // A list that names what is gone.
    let dangling = Registry::start().without_referrers();
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let gone = format!("sha256:{}", "0".repeat(64));
    let list = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{ "mediaType": kind, "digest": gone, "size": 7 }],
    });
    dangling.add_manifest("base", &list, Some(&digest.replace(':', "-")));
    check(&dangling, &format!("{gone}, which refers to"));
}
