//! Who is told the login, and where it comes from; mirrors and proxies.

use super::*;

#[test]
fn logins_do_not_follow_to_another_host() {
    let (workspace, digest) = image();
    let registry = Registry::start().with_login("me", "hunter2");
    let elsewhere = Registry::start();
    let name = format!("{}/base:1", registry.address());
    let file = json!({ "auths": { registry.address(): { "username": "me", "password": "hunter2" } } });
    workspace.write("home/.docker/config.json", &file.to_string());
    push(&workspace, &name).succeeded();
    // The same blobs, where the redirect leads.
    push(&workspace, &format!("{}/base:1", elsewhere.address())).succeeded();
    elsewhere.log();
    empty_store(&workspace);
    let (layer, _) = layer(&workspace);
    let to = format!("http://{}/v2/base/blobs/{layer}", elsewhere.address());
    let redirect = What::Answer { status: 307, headers: vec![("Location".into(), to)], body: vec![] };
    let path: &'static str = Box::leak(layer.into_boxed_str());
    registry.fault("GET", path, 1, redirect);
    let pulled = workspace.rootsmith(["pull", &name, "-o", "oci:pulled", "-vvv"]);
    assert_eq!(pulled.digest(), digest);
    let log = elsewhere.log();
    assert!(!log.is_empty() && log.iter().all(|seen| seen.authorization.is_none()), "{log:?}");
    assert!(!pulled.stderr.contains("hunter2") && !pulled.stderr.contains(&basic("me", "hunter2")), "never printed");

    let inner = |location: &str| What::Answer {
        status: 302,
        headers: vec![("Location".into(), location.into())],
        body: vec![],
    };
    registry.fault("GET", "/manifests/", 1, inner("file:///etc/passwd"));
    pull(&workspace, &name, "none").failed_with(4).says("which is not followed: it is neither http nor https");
    registry.fault("GET", "/manifests/", 99, inner(&format!("http://{}/v2/base/manifests/1", registry.address())));
    pull(&workspace, &name, "none").failed_with(4).says("too many redirects");
}

#[test]
fn a_login_goes_to_no_foreign_token_server() {
    let (workspace, digest) = image();
    // Another name of this machine: for a registry at a number, every name is a foreign one.
    let foreign = Registry::start().with_tokens(None, 99).with_login("me", "hunter2");
    let realm = format!("http://localhost:{}/token", foreign.address().split_once(':').unwrap().1);
    let registry = Registry::start().with_tokens(Some(realm), 99);
    let name = format!("{}/base:1", registry.address());
    let file = json!({ "auths": { registry.address(): { "username": "me", "password": "hunter2" } } });
    workspace.write("home/.docker/config.json", &file.to_string());
    push(&workspace, &name)
        .failed_with(4)
        .says("wants your login sent to")
        .says("another domain")
        .says("--trust-realm");
    assert!(foreign.log().is_empty(), "nothing was sent there");
    for (realm, words) in [("file:///etc/passwd", "neither http nor https"), ("http://x:y@127.0.0.1/", "has a login")] {
        let registry = Registry::start().with_tokens(Some(realm.to_owned()), 99);
        push(&workspace, &format!("{}/base:1", registry.address())).failed_with(4).says(words);
    }
    let trusting = workspace.rootsmith(["push", "oci:image", &name, "--trust-realm", "localhost"]);
    // Its tokens are not this registry's, which is another story.
    assert_ne!(trusting.code, 0);
    let asked = foreign.log();
    assert!(asked.iter().any(|seen| seen.authorization == Some(basic("me", "hunter2"))), "{asked:?} {digest}");
}

#[test]
fn tokens_are_asked_for_by_scope_and_renewed() {
    let (workspace, digest) = image();
    let registry = Registry::start().with_tokens(None, 3).with_login("me", "pass");
    let name = format!("{}/team/base:1", registry.address());
    push(&workspace, &name).failed_with(4).says("does not let you push to").says("rootsmith login");
    let file = json!({ "auths": { registry.address(): { "username": "me", "password": "pass" } } });
    workspace.write("home/.docker/config.json", &file.to_string());
    registry.log();
    assert_eq!(push(&workspace, &name).digest(), digest);
    let log = registry.log();
    let tokens: Vec<&Seen> = log.iter().filter(|seen| seen.path.starts_with("/token")).collect();
    assert!(tokens.len() > 1, "they run out after three requests");
    assert!(tokens.iter().all(|seen| seen.path.contains("scope=repository%3Ateam%2Fbase%3Apull%2Cpush")), "{tokens:?}");
    assert!(tokens.iter().all(|seen| seen.path.contains("service=test")));
    let others = log.iter().filter(|seen| !seen.path.starts_with("/token"));
    assert!(others.into_iter().all(|seen| seen.authorization.as_ref().is_none_or(|said| said.starts_with("Bearer "))));
    // A mount asks for both repositories.
    let other = format!("docker://{}/other/base:1", registry.address());
    let copied = workspace.rootsmith(["copy", &format!("docker://{name}"), &other]);
    assert_eq!(copied.digest(), digest);
    let log = registry.log();
    assert!(log.iter().any(|seen| {
        seen.path.contains("scope=repository%3Aother%2Fbase%3Apull%2Cpush&scope=repository%3Ateam%2Fbase%3Apull")
    }));
    assert_eq!(received(&log), 0, "it was mounted");
}

#[test]
fn an_identity_token_becomes_others() {
    let (workspace, digest) = image();
    let registry = Registry::start().with_tokens(None, 5).with_identity("secret-identity");
    let name = format!("{}/base:1", registry.address());
    let file = json!({ "auths": { registry.address(): { "identitytoken": "secret-identity" } } });
    workspace.write("auth.json", &file.to_string());
    let pushed = workspace.rootsmith(["push", "oci:image", &name, "--auth-file", "auth.json"]);
    assert_eq!(pushed.digest(), digest);
    let log = registry.log();
    assert!(log.iter().any(|seen| seen.method == "POST" && seen.path == "/token"));
    let mut command = workspace.command([binary()]);
    command.env("DOCKER_AUTH_CONFIG", file.to_string()).args(["pull", &name, "-o", "oci:pulled"]);
    assert_eq!(finish(&mut command).digest(), digest);
}

#[test]
fn logins_come_from_programs_and_the_environment() {
    let (workspace, digest) = image();
    let registry = Registry::start().with_login("me", "hunter2");
    let name = format!("{}/base:1", registry.address());
    let helper = workspace.write(
        "bin/docker-credential-test",
        "#!/bin/sh\nread server\necho \"$1 $server\" >> asked\ncase $1 in\nget) echo '{\"Username\":\"me\",\"Secret\":\"hunter2\"}';;\nesac\n",
    );
    run(Command::new("chmod").arg("755").arg(&helper));
    let with = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = workspace.command([binary()]);
        let path = format!("{}:/usr/bin:/bin", workspace.path("bin").display());
        command.env("PATH", path).envs(variables.iter().copied()).args(arguments);
        finish(&mut command)
    };
    let push = ["push", "oci:image", name.as_str()];
    let file = |text: &Value| workspace.write("home/.docker/config.json", &text.to_string());
    file(&json!({ "credHelpers": { registry.address(): "test" } }));
    assert_eq!(with(&[], &push).digest(), digest);
    file(&json!({ "credsStore": "test" }));
    assert_eq!(with(&[], &push).digest(), digest);
    let asked = fs::read_to_string(workspace.path("asked")).unwrap();
    assert!(asked.lines().all(|line| line == format!("get {}", registry.address())), "{asked}");
    file(&json!({ "credsStore": "absent" }));
    with(&[], &push).failed_with(3).says("docker-credential-absent").says("is not installed");
    file(&json!({}));
    let address = registry.address();
    let login = [
        ("ROOTSMITH_REGISTRY", address.as_str()),
        ("ROOTSMITH_REGISTRY_USER", "me"),
        ("ROOTSMITH_REGISTRY_PASSWORD", "hunter2"),
    ];
    assert_eq!(with(&login, &push).digest(), digest);
    with(&login[1..], &push).failed_with(2).says("some are missing");
    with(&[("ROOTSMITH_REGISTRY", "x.example"), login[1], login[2]], &push).failed_with(4);
    let wrong = with(&[login[0], login[1], ("ROOTSMITH_REGISTRY_PASSWORD", "wrong-secret")], &push);
    wrong.failed_with(4).says("the login of `me`").says("ROOTSMITH_REGISTRY_PASSWORD");
    assert!(!wrong.stderr.contains("wrong-secret"));
}

#[test]
fn mirrors_are_asked_first() {
    let (workspace, digest) = image();
    let (mirror, own) = (Registry::start(), Registry::start());
    push(&workspace, &format!("{}/hub/team/base:1", mirror.address())).succeeded();
    push(&workspace, &format!("{}/team/base:2", own.address())).succeeded();
    empty_store(&workspace);
    mirror.log();
    own.log();
    let text = format!(
        "[[registry]]\nprefix = \"{own}\"\nlocation = \"{own}\"\n[[registry.mirror]]\nlocation = \"127.0.0.1:1\"\n\
         [[registry.mirror]]\nlocation = \"{mirror}/hub\"\n[[registry]]\nprefix = \"bad.example\"\nblocked = true\n",
        own = own.address(),
        mirror = mirror.address()
    );
    workspace.write("home/.config/containers/registries.conf", &text);
    assert_eq!(pull(&workspace, &format!("{}/team/base:1", own.address()), "a").digest(), digest);
    assert!(own.log().is_empty() && !mirror.log().is_empty());
    assert_eq!(pull(&workspace, &format!("{}/team/base:2", own.address()), "b").digest(), digest);
    pull(&workspace, "bad.example/x", "c").failed_with(2).says("blocked = true");
}

#[test]
fn a_mirror_is_enough_where_the_registry_is_out_of_reach() {
    let (workspace, digest) = image();
    let mirror = Registry::start().without_referrers();
    push(&workspace, &format!("{}/team/base:1", mirror.address())).succeeded();
    empty_store(&workspace);
    let text = format!(
        "[[registry]]\nprefix = \"mirrored.example\"\nlocation = \"127.0.0.1:1\"\n\
         [[registry.mirror]]\nlocation = \"{}\"\n",
        mirror.address()
    );
    workspace.write("home/.config/containers/registries.conf", &text);
    let pulled = pull(&workspace, "mirrored.example/team/base:1", "pulled");
    assert_eq!(pulled.digest(), digest);
    pulled.says("is left out");
    workspace.rootsmith(["inspect", "docker://mirrored.example/team/base:1"]).succeeded().says("is not shown");
}

#[test]
fn a_token_server_that_is_not_there_is_called_by_its_name() {
    let (workspace, _) = image();
    let registry = Registry::start().with_tokens(Some("http://127.0.0.1:1/token".to_owned()), 9);
    let name = format!("{}/base:1", registry.address());
    push(&workspace, &name).failed_with(4).says("cannot reach `127.0.0.1:1`").says(&registry.address());
}

#[test]
fn a_registry_behind_a_proxy() {
    let (workspace, digest) = image();
    let proxy = Registry::start();
    let with = |arguments: &[&str], proxied: bool| {
        let mut command = workspace.command([binary()]);
        if proxied {
            command.env("http_proxy", format!("http://{}", proxy.address()));
        }
        finish(command.args(arguments))
    };
    let name = "registry.invalid/team/base:1";
    assert_eq!(with(&["push", "--plain-http", "oci:image", name], true).digest(), digest);
    assert!(proxy.log().iter().all(|seen| seen.host == "registry.invalid"));
    let direct = with(&["push", "--plain-http", "oci:image", name], false);
    // No such server, or, without a name server, no network.
    assert!(matches!(direct.code, 3 | 4), "{}", direct.stderr);
}
