//! Logins, where Docker and the containers tools keep them.
//!
//! `auths` maps registries, and in containers' auth.json repositories too, to logins; the longest name that the wanted
//! repository begins with counts (containers-auth.json(5)). `credHelpers` and `credsStore` name programs that are asked
//! (<https://docs.docker.com/reference/cli/docker/login/#credential-stores>).

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::RegistryError;
use crate::http::{RegistrySettings, Secret};
use crate::oci::Repository;
use crate::sandbox;

/// How to prove who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// A user and a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token that a token server changes into others (Docker's `identitytoken`).
    Identity(Secret),
    /// A token that the registry takes as it is (Docker's `registrytoken`).
    Bearer(Secret),
}

/// A login, and where it is from.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub login: Login,
    /// The file or variable.
    pub from: String,
}

impl Login {
    /// Whose it is, for messages.
    pub(super) fn user(&self) -> &str {
        match self {
            Self::Password { user, .. } => user,
            Self::Identity(_) | Self::Bearer(_) => "a token",
        }
    }
}

/// A file of logins, as far as it is read.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct File {
    pub auths: BTreeMap<String, Entry>,
    pub creds_store: Option<String>,
    pub cred_helpers: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Entry {
    auth: Option<Hidden>,
    username: Option<String>,
    password: Option<Hidden>,
    identitytoken: Option<Hidden>,
    registrytoken: Option<Hidden>,
}

/// A secret as it is read.
#[derive(Debug, Deserialize)]
#[serde(from = "String")]
struct Hidden(Secret);

impl From<String> for Hidden {
    fn from(text: String) -> Self {
        Self(Secret::new(text))
    }
}

/// How long a credential helper may take: some ask a person.
const PATIENCE: Duration = Duration::from_secs(60);

/// What Docker calls its own registry in files of logins, and asks helpers for.
pub(super) const HUB: &str = "https://index.docker.io/v1/";

/// The logins for `repository`: that which was given, else the first that a text or file has.
pub fn logins(settings: &RegistrySettings, repository: &Repository) -> Result<Option<Login>, RegistryError> {
    Ok(find(settings, repository)?.map(|found| found.login))
}

/// As [`logins`], with the place that it is from.
pub(super) fn find(settings: &RegistrySettings, repository: &Repository) -> Result<Option<Found>, RegistryError> {
    if let Some(given) = &settings.login
        && normal(&given.registry) == normal(repository.registry())
    {
        let login = Login::Password { user: given.user.clone(), password: given.password.clone() };
        return Ok(Some(Found { login, from: "ROOTSMITH_REGISTRY_PASSWORD".to_owned() }));
    }
    if let Some(text) = &settings.login_text {
        let path = Path::new("DOCKER_AUTH_CONFIG");
        if let Some(login) = of_file(&parse(path, text.reveal().as_bytes())?, path, repository)? {
            return Ok(Some(Found { login, from: path.display().to_string() }));
        }
    }
    for path in &settings.login_files {
        if let Some(file) = read(path)?
            && let Some(login) = of_file(&file, path, repository)?
        {
            return Ok(Some(Found { login, from: path.display().to_string() }));
        }
    }
    Ok(None)
}

/// The programs that are asked for logins, `docker-credential-...`, each with the file that names it first.
pub fn helpers(settings: &RegistrySettings) -> Result<BTreeMap<String, std::path::PathBuf>, RegistryError> {
    let mut helpers = BTreeMap::new();
    for path in &settings.login_files {
        let Some(file) = read(path)? else { continue };
        let all = file.cred_helpers.into_values().chain(file.creds_store).filter(|helper| !helper.is_empty());
        for helper in all {
            helpers.entry(format!("docker-credential-{helper}")).or_insert_with(|| path.clone());
        }
    }
    Ok(helpers)
}

/// Refuses a file of logins that is not there, or that is none.
pub fn check_logins(path: &Path) -> Result<(), RegistryError> {
    let wrong = |problem: String| RegistryError::LoginFile { path: path.to_owned(), problem };
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => wrong("there is no such file".to_owned()),
        _ => wrong(error.to_string()),
    })?;
    parse(path, &bytes).map(drop)
}

/// Reads a file of logins, where there is one.
pub(super) fn read(path: &Path) -> Result<Option<File>, RegistryError> {
    match std::fs::read(path) {
        Ok(bytes) => parse(path, &bytes).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        // Not ours to read, as root's beside a user's.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(None),
        Err(error) => Err(RegistryError::LoginFile { path: path.to_owned(), problem: error.to_string() }),
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<File, RegistryError> {
    if bytes.trim_ascii().is_empty() {
        return Ok(File::default());
    }
    // The place alone: serde's words could quote a password.
    serde_json::from_slice(bytes).map_err(|error| {
        let problem = format!("line {}, column {} is not what is expected there", error.line(), error.column());
        RegistryError::LoginFile { path: path.to_owned(), problem }
    })
}

fn of_file(file: &File, path: &Path, repository: &Repository) -> Result<Option<Login>, RegistryError> {
    let names = names(repository);
    for name in &names {
        let named = |key: &String| normal(key) == *name;
        if let Some((key, helper)) = file.cred_helpers.iter().find(|(key, _)| named(key)) {
            return ask(helper, key);
        }
        if let Some((key, entry)) = file.auths.iter().find(|(key, _)| named(key)) {
            let wrong = |problem: &str| RegistryError::LoginFile {
                path: path.to_owned(),
                problem: format!("the entry `{key}` {problem}"),
            };
            // With a store, the file has the name alone.
            if let Some(login) = entry.login().map_err(wrong)? {
                return Ok(Some(login));
            }
        }
    }
    match &file.creds_store {
        Some(helper) if !helper.is_empty() => {
            let registry = repository.registry();
            ask(helper, if normal(registry) == normal(HUB) { HUB } else { registry })
        }
        _ => Ok(None),
    }
}

impl Entry {
    fn login(&self) -> Result<Option<Login>, &'static str> {
        let there = |secret: &Option<Hidden>| {
            secret.as_ref().map(|secret| secret.0.clone()).filter(|secret| !secret.reveal().is_empty())
        };
        if let Some(token) = there(&self.identitytoken) {
            return Ok(Some(Login::Identity(token)));
        }
        if let Some(token) = there(&self.registrytoken) {
            return Ok(Some(Login::Bearer(token)));
        }
        if let Some(auth) = there(&self.auth) {
            let decoded = STANDARD.decode(auth.reveal().trim()).map_err(|_| "has an `auth` that is not base64")?;
            let decoded = String::from_utf8(decoded).map_err(|_| "has an `auth` that is not UTF-8")?;
            // Docker has padded with NUL.
            let (user, password) =
                decoded.trim_end_matches('\0').split_once(':').ok_or("has an `auth` without `user:password`")?;
            return Ok(Some(Login::Password { user: user.to_owned(), password: Secret::new(password) }));
        }
        let user = self.username.clone().filter(|user| !user.is_empty());
        Ok(user.zip(there(&self.password)).map(|(user, password)| Login::Password { user, password }))
    }
}

/// The repository's own name and all that it begins with, longest first, the registry last.
fn names(repository: &Repository) -> Vec<String> {
    let mut name = format!("{}/{}", normal(repository.registry()), repository.name());
    let mut names = vec![name.clone()];
    while let Some(end) = name.rfind('/') {
        name.truncate(end);
        names.push(name.clone());
    }
    names
}

/// One spelling for all those that files have: no scheme, no `/v1/`, and one name for Docker's registry.
pub(super) fn normal(key: &str) -> String {
    let key = key.split_once("://").map_or(key, |(_, rest)| rest);
    let key = key.trim_end_matches('/');
    let key = key.strip_suffix("/v1").or_else(|| key.strip_suffix("/v2")).unwrap_or(key);
    let (host, path) = key.split_at(key.find('/').unwrap_or(key.len()));
    let host = host.to_ascii_lowercase();
    let host = match host.as_str() {
        "index.docker.io" | "registry-1.docker.io" | "registry.docker.io" => "docker.io".to_owned(),
        _ => host,
    };
    host + path
}

/// What a helper answers (<https://github.com/docker/docker-credential-helpers>).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Helped {
    username: String,
    secret: String,
}

/// Asks the program `docker-credential-<helper>`.
fn ask(helper: &str, server: &str) -> Result<Option<Login>, RegistryError> {
    let program = program(helper, server)?;
    let failed =
        |message: String| RegistryError::Helper { program: program.clone(), registry: normal(server), message };
    let answer =
        sandbox::run_host_program_with(&program, &["get".into()], server.as_bytes(), PATIENCE).map_err(failed)?;
    if !answer.success {
        let said = String::from_utf8_lossy(&answer.output).trim().to_owned();
        let said = if said.is_empty() { answer.message } else { said };
        // Its one error that is none (credentials/error.go there).
        return if said.contains("credentials not found") { Ok(None) } else { Err(failed(said)) };
    }
    let helped: Helped =
        serde_json::from_slice(&answer.output).map_err(|_| failed("its answer is not what helpers give".to_owned()))?;
    if helped.username.is_empty() && helped.secret.is_empty() {
        return Ok(None);
    }
    let secret = Secret::new(helped.secret);
    Ok(Some(match helped.username.as_str() {
        "<token>" => Login::Identity(secret),
        user => Login::Password { user: user.to_owned(), password: secret },
    }))
}

/// The helper's program, by its name and nothing else.
pub(super) fn program(helper: &str, server: &str) -> Result<String, RegistryError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let program = format!("docker-credential-{helper}");
    if helper.is_empty() || !helper.chars().all(plain) {
        let message = "a helper's name has letters, digits, `-`, `_` and `.` only".to_owned();
        return Err(RegistryError::Helper { program, registry: normal(server), message });
    }
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::GivenLogin;

    fn repository(name: &str) -> Repository {
        Repository::of(&name.parse().unwrap())
    }

    fn login_for(text: &str, name: &str) -> Option<String> {
        let settings = RegistrySettings { login_text: Some(Secret::new(text)), ..RegistrySettings::default() };
        logins(&settings, &repository(name)).unwrap().map(|login| match login {
            Login::Password { user, password } => format!("{user}:{}", password.reveal()),
            Login::Identity(token) => format!("identity {}", token.reveal()),
            Login::Bearer(token) => format!("bearer {}", token.reveal()),
        })
    }

    #[test]
    fn the_longest_name_counts() {
        let auth = |text: &str| STANDARD.encode(text);
        let text = format!(
            r#"{{"auths": {{
                "https://index.docker.io/v1/": {{"auth": "{}"}},
                "x.example": {{"auth": "{}"}}, "x.example/team": {{"auth": "{}"}}, "x.example/team/app": {{}},
                "y.example:5000": {{"username": "u", "password": "p"}}, "z.example": {{"identitytoken": "t"}},
                "w.example": {{"registrytoken": "r", "auth": "eDp5"}}
            }}, "other": 1}}"#,
            auth("hub:h\0\0"),
            auth("host:a:b"),
            auth("team:c")
        );
        for (name, login) in [
            ("debian", Some("hub:h")),
            ("x.example/other", Some("host:a:b")),
            ("x.example/team/app", Some("team:c")),
            ("x.example/teams/app", Some("host:a:b")),
            ("y.example:5000/a", Some("u:p")),
            ("y.example/a", None),
            ("z.example/a", Some("identity t")),
            ("w.example/a", Some("bearer r")),
        ] {
            assert_eq!(login_for(&text, name).as_deref(), login, "{name}");
        }
        assert_eq!(login_for("", "debian"), None);
    }

    #[test]
    fn what_was_given_comes_first_and_is_for_its_registry_alone() {
        let login = GivenLogin { registry: "x.example".into(), user: "me".into(), password: Secret::new("hunter2") };
        let settings = RegistrySettings { login: Some(login), ..RegistrySettings::default() };
        assert!(logins(&settings, &repository("x.example/a")).unwrap().is_some());
        assert!(logins(&settings, &repository("y.example/a")).unwrap().is_none());
        assert!(!format!("{settings:?}").contains("hunter2"));
    }

    #[test]
    fn broken_files_are_told_without_their_secrets() {
        for text in [r#"{"auths": {"x.example": {"auth": "hunter2!"}}}"#, r#"{"auths": "hunter2"}"#, "{hunter2"] {
            let settings = RegistrySettings { login_text: Some(Secret::new(text)), ..RegistrySettings::default() };
            let error = logins(&settings, &repository("x.example/a")).unwrap_err();
            assert!(
                matches!(error, RegistryError::LoginFile { .. }) && !error.to_string().contains("hunter2"),
                "{error}"
            );
        }
        let text = r#"{"credsStore": "../../bin/sh"}"#;
        let settings = RegistrySettings { login_text: Some(Secret::new(text)), ..RegistrySettings::default() };
        assert!(matches!(logins(&settings, &repository("a")), Err(RegistryError::Helper { .. })));
    }
}
