//! Channels of all kinds: of the web, with logins and tokens, mirrored, sharded, in a registry.

use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rootsmith::digest::Digest;
use serde_json::{Value, json};

use crate::conda::{GLIBC, Image, LIBC, workspace};
use crate::support::require::{Need, data, require};
use crate::support::web::{Answer, Certificate, Request, Server};
use crate::support::workspace::{Finished, Workspace, binary, finish};

fn real() -> PathBuf {
    data().join("conda/real")
}

/// A workspace with a base, whose environment wants xz of one channel.
fn with_channel(channel: &str) -> Workspace {
    let workspace = workspace(&[(LIBC, GLIBC)]);
    workspace.write("environment.yml", &format!("name: x\nchannels: [\"{channel}\"]\ndependencies: [xz]\n"));
    workspace
}

fn layer(workspace: &Workspace, environment: &[(&str, &str)], more: &[&str]) -> Finished {
    let before = ["layer", "base", "--conda", "environment.yml", "-o", "oci:out", "--progress", "lines"];
    let mut command = workspace.command([binary()]);
    finish(command.args(before).args(more).envs(environment.iter().copied()))
}

/// No file of the lock, the image or the messages has the secret in it.
fn tells_no_secret(workspace: &Workspace, finished: &Finished, secret: &str) {
    let mut texts = vec![finished.stderr.clone(), finished.stdout.clone()];
    texts.extend(fs::read_to_string(workspace.path("environment.rootsmith.lock")));
    if workspace.path("out").exists() {
        let files = Image::open(workspace.path("out")).files();
        texts.extend(files.values().map(|(.., bytes)| String::from_utf8_lossy(bytes).into_owned()));
    }
    assert!(texts.iter().all(|text| !text.contains(secret)), "{}", finished.stderr);
}

#[test]
fn a_channel_of_the_web_and_none_where_it_is_off() {
    require!(Need::Data("conda"));
    let server = Server::plain(|request| Answer::file(&real(), request.path.strip_prefix("/c").unwrap_or("none")));
    let channel = format!("{}/c", server.address());
    let workspace = with_channel(&channel);
    layer(&workspace, &[], &["--frozen"]).failed_with(2).says("is missing");
    layer(&workspace, &[], &["--offline"]).failed_with(3).says("--offline");
    let digest = layer(&workspace, &[], &[]).digest();
    let asked = server.asked().len();
    assert_eq!(layer(&workspace, &[], &["--frozen"]).digest(), digest);
    assert_eq!(server.asked().len(), asked, "what is in the store is not asked for again");
    let lock = fs::read_to_string(workspace.path("environment.rootsmith.lock")).unwrap();
    assert!(lock.contains(&format!("channel = \"{channel}\"")) && lock.contains("linux-64/xz-5.2.2-0"), "{lock}");
    // What is not in the store cannot be had offline.
    fs::remove_dir_all(workspace.path("store")).unwrap();
    layer(&workspace, &[], &["--frozen"]).failed_with(3).says("xz 5.2.2 (0)");
    layer(&workspace, &[], &["--locked"]).succeeded();
    // A lock for another request does not fit.
    workspace.write("environment.yml", &format!("channels: [\"{channel}\"]\ndependencies: [xz, zlib]\n"));
    layer(&workspace, &[], &["--locked"]).failed_with(2).says("does not fit");
    let nowhere = with_channel(&format!("{}/nowhere", server.address()));
    layer(&nowhere, &[], &[]).failed_with(2).says("nowhere");
}

#[test]
fn private_channels_get_their_login() {
    require!(Need::Data("conda"));
    let basic = format!("Basic {}", STANDARD.encode("me:geheim"));
    let of_login = Server::plain(move |request| match request.authorization == basic {
        true => Answer::file(&real(), &request.path),
        false => Answer::status(401).header("WWW-Authenticate: Basic realm=\"x\""),
    });
    let workspace = with_channel(&of_login.address());
    let finished = layer(&workspace, &[], &[]);
    finished.failed_with(4).says("401").says("RATTLER_AUTH_FILE");
    let netrc = workspace.write("netrc", "machine 127.0.0.1 login me password geheim\n").display().to_string();
    let finished = layer(&workspace, &[("NETRC", &netrc)], &[]);
    finished.succeeded();
    tells_no_secret(&workspace, &finished, "geheim");
    let auth = json!({ "127.0.0.1": { "BasicHTTP": { "username": "me", "password": "geheim" } } }).to_string();
    let again = with_channel(&of_login.address());
    let auth = again.write("auth.json", &auth).display().to_string();
    layer(&again, &[("RATTLER_AUTH_FILE", &auth)], &[]).succeeded();

    let of_token = Server::plain(|request| match request.path.strip_prefix("/t/tk-geheim") {
        Some(path) => Answer::file(&real(), path),
        None => Answer::status(403),
    });
    let workspace = with_channel(&of_token.address());
    layer(&workspace, &[], &[]).failed_with(4).says("403");
    let auth = workspace.write("auth.json", "{\"127.0.0.1\": {\"CondaToken\": \"tk-geheim\"}}").display().to_string();
    let finished = layer(&workspace, &[("RATTLER_AUTH_FILE", &auth)], &[]);
    finished.succeeded();
    tells_no_secret(&workspace, &finished, "tk-geheim");

    // A login in the file itself would get into the lock.
    for channel in ["https://me:geheim@a.example/c", "https://a.example/t/geheim/c"] {
        let workspace = with_channel(channel);
        let finished = layer(&workspace, &[], &[]);
        finished.failed_with(2).says("netrc");
        tells_no_secret(&workspace, &finished, "geheim");
        workspace.write(
            "environment.yml",
            &format!("@EXPLICIT\n{channel}/linux-64/xz-5.2.2-0.tar.bz2#{}\n", "0".repeat(32)),
        );
        let finished = layer(&workspace, &[], &[]);
        finished.failed_with(2).says("netrc");
        tells_no_secret(&workspace, &finished, "geheim");
    }
    let unreadable = with_channel(&of_login.address());
    let broken = unreadable.write("auth.json", "{ no json").display().to_string();
    layer(&unreadable, &[("RATTLER_AUTH_FILE", &broken)], &[]).failed_with(3).says("auth.json");
}

#[test]
fn a_mirror_stands_for_a_channel() {
    require!(Need::Data("conda"));
    let mirror = Server::plain(|request| Answer::file(&real(), request.path.strip_prefix("/m").unwrap_or("none")));
    let workspace = with_channel("https://channels.example/team");
    let recipe = |mirrors: &str| {
        let text = format!(
            "name = \"x\"\nplatforms = [\"linux/amd64\"]\n[from.oci]\nimage = \"oci:base\"\nkeep-layers = true\n\
             [[conda]]\nenvironment = \"environment.yml\"\n{mirrors}\n"
        );
        workspace.write("x.toml", &text);
        workspace.rootsmith(["build", "x.toml", "-o", "oci:out", "--progress", "none"])
    };
    let line = format!("mirrors = {{ \"https://channels.example/team\" = \"{}/m\" }}", mirror.address());
    recipe(&line).succeeded();
    assert!(mirror.asked().iter().any(|path| path.ends_with("xz-5.2.2-0.tar.bz2")), "{:?}", mirror.asked());
    let lock = fs::read_to_string(workspace.path("x.lock")).unwrap();
    assert!(lock.contains("channel = \"https://channels.example/team\"") && !lock.contains("127.0.0.1"), "{lock}");
    let record = Image::open(workspace.path("out")).files();
    let record = &record["opt/conda/envs/default/conda-meta/xz-5.2.2-0.json"].2;
    let record: Value = serde_json::from_slice(record).unwrap();
    assert_eq!(record["url"], "https://channels.example/team/linux-64/xz-5.2.2-0.tar.bz2");
}

#[test]
fn a_mirror_gets_its_own_login() {
    require!(Need::Data("conda"));
    let basic = format!("Basic {}", STANDARD.encode("me:geheim"));
    let mirror = Server::plain(move |request| match request.authorization == basic {
        true => Answer::file(&real(), &request.path),
        false => Answer::status(401),
    });
    let workspace = with_channel("https://channels.example/team");
    let text = format!(
        "name = \"x\"\nplatforms = [\"linux/amd64\"]\n[from.oci]\nimage = \"oci:base\"\nkeep-layers = true\n[[conda]]\n\
         environment = \"environment.yml\"\nmirrors = {{ \"https://channels.example/team\" = \"{}\" }}\n",
        mirror.address()
    );
    workspace.write("x.toml", &text);
    let host = mirror.address().trim_start_matches("http://").split(':').next().unwrap().to_owned();
    let auth = json!({ host: { "BasicHTTP": { "username": "me", "password": "geheim" } } }).to_string();
    let auth = workspace.write("auth.json", &auth);
    let mut command = workspace.command([binary()]);
    command.args(["build", "x.toml", "-o", "oci:out", "--progress", "none"]).env("RATTLER_AUTH_FILE", auth);
    let finished = finish(&mut command);
    finished.succeeded();
    tells_no_secret(&workspace, &finished, "geheim");
    assert!(mirror.asked().iter().any(|path| path.ends_with("xz-5.2.2-0.tar.bz2")), "{:?}", mirror.asked());
}

#[test]
fn a_channel_that_says_nothing_is_given_up() {
    require!(Need::Data("conda"));
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let workspace = with_channel(&format!("http://{}/team", silent.local_addr().unwrap()));
    // Whoever is never accepted waits for an answer.
    layer(&workspace, &[], &["--timeout", "1", "--retries", "0"]).failed_with(4).says("/team");
}

#[test]
fn shards_are_read_where_a_channel_has_them() {
    require!(Need::Data("conda"));
    let text = fs::read(real().join("linux-64/repodata.json")).unwrap();
    let index: Value = serde_json::from_slice(&text).unwrap();
    let mut shards: std::collections::BTreeMap<String, Value> = Default::default();
    for (file, record) in index["packages"].as_object().unwrap() {
        let empty = || json!({ "packages": {}, "packages.conda": {}, "removed": [] });
        let shard = shards.entry(record["name"].as_str().unwrap().to_owned()).or_insert_with(empty);
        shard["packages"][file] = record.clone();
    }
    let packed: Vec<(String, String, Vec<u8>)> = shards
        .iter()
        .map(|(name, shard)| {
            let bytes = zstd::encode_all(message_pack(shard).as_slice(), 1).unwrap();
            (name.clone(), Digest::of(&bytes).hex(), bytes)
        })
        .collect();
    let names: Value = packed
        .iter()
        .map(|(name, hex, _)| (name.clone(), Value::from(hex.as_str())))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let list = |subdir: &str, shards: &Value| {
        let info = json!({ "subdir": subdir, "base_url": "", "shards_base_url": "shards/" });
        zstd::encode_all(message_pack(&json!({ "info": info, "shards": shards })).as_slice(), 1).unwrap()
    };
    let (own, none) = (list("linux-64", &names), list("noarch", &json!({})));
    let server = Server::plain(move |request| match request.path.as_str() {
        "/linux-64/repodata_shards.msgpack.zst" => Answer::ok(own.clone()),
        "/noarch/repodata_shards.msgpack.zst" => Answer::ok(none.clone()),
        path => match path.strip_prefix("/linux-64/shards/").and_then(|file| file.strip_suffix(".msgpack.zst")) {
            Some(hex) => packed
                .iter()
                .find(|(_, known, _)| known == hex)
                .map_or(Answer::status(404), |shard| Answer::ok(shard.2.clone())),
            None if path.ends_with("repodata.json") => Answer::status(500),
            None => Answer::file(&real(), path),
        },
    });
    layer(&with_channel(&server.address()), &[], &[]).succeeded();
    let asked = server.asked();
    let shards = asked.iter().filter(|path| path.contains("/shards/")).count();
    assert!((1..5).contains(&shards), "only shards of what is needed are asked for: {asked:?}");
}

/// MessagePack (<https://github.com/msgpack/msgpack/blob/master/spec.md>), as far as it is needed here.
fn message_pack(value: &Value) -> Vec<u8> {
    let long = |kind: u8, length: usize| [&[kind][..], &(length as u32).to_be_bytes()].concat();
    match value {
        Value::Null => vec![0xc0],
        Value::Bool(value) => vec![0xc2 + u8::from(*value)],
        Value::Number(number) => match number.as_u64() {
            Some(number) => [&[0xcf][..], &number.to_be_bytes()].concat(),
            None => [&[0xcb][..], &number.as_f64().unwrap().to_be_bytes()].concat(),
        },
        Value::String(text) => [long(0xdb, text.len()), text.as_bytes().to_vec()].concat(),
        Value::Array(items) => {
            items.iter().fold(long(0xdd, items.len()), |bytes, item| [bytes, message_pack(item)].concat())
        }
        Value::Object(members) => members.iter().fold(long(0xdf, members.len()), |bytes, (name, member)| {
            [bytes, message_pack(&Value::from(name.as_str())), message_pack(member)].concat()
        }),
    }
}

#[test]
fn a_registry_is_a_channel() {
    require!(Need::Data("conda"), Need::Root, Need::Program("openssl"));
    // A registry's address has no port in such channels; all addresses that start with 127 are this machine's.
    const HOST: &str = "127.0.0.77";
    let certificate = Certificate::of(HOST);
    let basic = format!("Basic {}", STANDARD.encode("me:geheim"));
    let answer = move |request: &Request| {
        let package = fs::read(real().join("linux-64/xz-5.2.2-0.tar.bz2")).unwrap();
        let list = |subdir: &str| fs::read(real().join(subdir).join("repodata.json")).unwrap();
        let manifest = |kind: &str, bytes: &[u8]| {
            let layer = json!({
                "mediaType": kind, "digest": Digest::of(bytes).to_string(), "size": bytes.len(),
            });
            Answer::ok(json!({
                "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": { "mediaType": "application/vnd.unknown.config.v1+json", "digest": Digest::of(b"{}").to_string(), "size": 2 },
                "layers": [layer],
            })
            .to_string())
        };
        if request.path.starts_with("/token?") {
            let is_known = request.authorization == basic;
            return if is_known { Answer::ok("{\"token\":\"of-a-day\"}") } else { Answer::status(401) };
        }
        if request.authorization != "Bearer of-a-day" {
            let challenge = format!("WWW-Authenticate: Bearer realm=\"https://{HOST}/token\",service=\"{HOST}\"");
            return Answer::status(401).header(&challenge);
        }
        const LIST: &str = "application/vnd.conda.repodata.v1+json";
        let path = request.path.strip_prefix("/v2/team/channel/").unwrap_or_default();
        match path {
            "linux-64/repodata.json/manifests/latest" => manifest(LIST, &list("linux-64")),
            "noarch/repodata.json/manifests/latest" => manifest(LIST, &list("noarch")),
            "linux-64/xz/manifests/5.2.2-0" => manifest("application/vnd.conda.package.v1", &package),
            _ => {
                let all = [package, list("linux-64"), list("noarch")];
                let wanted = path.rsplit_once("/blobs/").map(|(_, digest)| digest).unwrap_or_default();
                let found = all.into_iter().find(|bytes| Digest::of(bytes).to_string() == wanted);
                found.map_or(Answer::status(404), Answer::ok)
            }
        }
    };
    let server = Server::tls(&format!("{HOST}:443"), &certificate, answer);
    let workspace = with_channel(&format!("oci://{HOST}/team/channel"));
    let auth = json!({ HOST: { "BasicHTTP": { "username": "me", "password": "geheim" } } }).to_string();
    let auth = workspace.write("auth.json", &auth).display().to_string();
    let authority = certificate.authority();
    let refused = layer(&workspace, &[], &["--ca-file", &authority]);
    refused.failed_with(4);
    let finished = layer(&workspace, &[("RATTLER_AUTH_FILE", &auth)], &["--ca-file", &authority]);
    finished.succeeded();
    tells_no_secret(&workspace, &finished, "geheim");
    assert!(server.asked().iter().any(|path| path.contains("/xz/")), "{:?}", server.asked());
    let lock = fs::read_to_string(workspace.path("environment.rootsmith.lock")).unwrap();
    assert!(lock.contains("channel = \"oci://127.0.0.77/team/channel\""), "{lock}");
    // And it is the mirror of another channel.
    let mirrored = with_channel("https://channels.example/team");
    let text = format!(
        "name = \"x\"\nplatforms = [\"linux/amd64\"]\n[from.oci]\nimage = \"oci:base\"\nkeep-layers = true\n[[conda]]\n\
         environment = \"environment.yml\"\nmirrors = {{ \"https://channels.example/team\" = \"oci://{HOST}/team/channel\" }}\n"
    );
    mirrored.write("x.toml", &text);
    let mut command = mirrored.command([binary()]);
    let build = ["build", "x.toml", "-o", "oci:out", "--progress", "none", "--ca-file", &authority];
    finish(command.args(build).env("RATTLER_AUTH_FILE", &auth)).succeeded();
}
