//! Writing logins down, and taking them out again.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::credentials::{HUB, normal, program};
use super::{Login, RegistryError};
use crate::sandbox;

const PATIENCE: Duration = Duration::from_secs(60);

/// Keeps `login` for `name`, a registry or a repository in one: with the program that `file` names as `credsStore`, else
/// in `file` itself, which only its owner may then read. Everything else in the file stays.
pub fn remember(file: &Path, name: &str, login: &Login) -> Result<(), RegistryError> {
    let mut document = read(file)?;
    let (user, secret) = match login {
        Login::Password { user, password } => (user.as_str(), password),
        Login::Identity(token) => ("<token>", token),
        Login::Bearer(token) => {
            set(&mut document, &key(name), json!({ "registrytoken": token.reveal() }), file)?;
            return write(file, &document);
        }
    };
    // Helpers know registries, and no repositories in them.
    let helper = helper(&document, name).filter(|_| !name.contains('/'));
    let entry = match helper {
        Some(helper) => {
            let server = key(name);
            let said = json!({ "ServerURL": server, "Username": user, "Secret": secret.reveal() });
            tell(&helper, "store", name, said.to_string().as_bytes())?;
            json!({})
        }
        None if user == "<token>" => json!({ "identitytoken": secret.reveal() }),
        None => json!({ "auth": STANDARD.encode(format!("{user}:{}", secret.reveal())) }),
    };
    set(&mut document, &key(name), entry, file)?;
    write(file, &document)
}

/// Takes the login for `name` out of `file`, and out of the program that keeps it; says whether there was one.
pub fn forget(file: &Path, name: &str) -> Result<bool, RegistryError> {
    if !file.exists() {
        return Ok(false);
    }
    let mut document = read(file)?;
    let mut found = false;
    if let Some(auths) = document.get_mut("auths").and_then(Value::as_object_mut) {
        let before = auths.len();
        auths.retain(|key, _| normal(key) != normal(name));
        found = auths.len() < before;
    }
    if let Some(helper) = helper(&document, name).filter(|_| found) {
        tell(&helper, "erase", name, key(name).as_bytes())?;
    }
    if found {
        write(file, &document)?;
    }
    Ok(found)
}

/// What files call a registry.
fn key(name: &str) -> String {
    let name = normal(name);
    if name == normal(HUB) { HUB.to_owned() } else { name }
}

/// The program that keeps the logins of a registry.
fn helper(document: &Map<String, Value>, name: &str) -> Option<String> {
    let helpers = document.get("credHelpers").and_then(Value::as_object);
    let own = helpers.and_then(|helpers| helpers.iter().find(|(key, _)| normal(key) == normal(name)));
    let found = own.map(|(_, helper)| helper).or_else(|| document.get("credsStore"));
    found.and_then(Value::as_str).filter(|helper| !helper.is_empty()).map(str::to_owned)
}

fn tell(helper: &str, action: &str, name: &str, input: &[u8]) -> Result<(), RegistryError> {
    let program = program(helper, name)?;
    let failed = |message: String| RegistryError::Helper { program: program.clone(), registry: normal(name), message };
    let answer = sandbox::run_host_program_with(&program, &[action.into()], input, PATIENCE).map_err(failed)?;
    if answer.success { Ok(()) } else { Err(failed(answer.message)) }
}

fn read(file: &Path) -> Result<Map<String, Value>, RegistryError> {
    let wrong = |problem: String| RegistryError::LoginFile { path: file.to_owned(), problem };
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Map::new()),
        Err(error) => return Err(wrong(error.to_string())),
    };
    if bytes.trim_ascii().is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(&bytes).map_err(|error| {
        wrong(format!("line {}, column {} is not what is expected there", error.line(), error.column()))
    })
}

fn set(document: &mut Map<String, Value>, key: &str, entry: Value, file: &Path) -> Result<(), RegistryError> {
    let auths = document.entry("auths").or_insert_with(|| json!({}));
    let auths = auths.as_object_mut().ok_or_else(|| RegistryError::LoginFile {
        path: file.to_owned(),
        problem: "`auths` is no object".to_owned(),
    })?;
    // Other spellings of the same registry.
    auths.retain(|known, _| normal(known) != normal(key));
    auths.insert(key.to_owned(), entry);
    Ok(())
}

/// Writes beside, and renames; what a link leads to is written, and not the link.
fn write(file: &Path, document: &Map<String, Value>) -> Result<(), RegistryError> {
    let wrong = |error: std::io::Error| RegistryError::LoginFile { path: file.to_owned(), problem: error.to_string() };
    let target = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(wrong)?;
    let mut text = serde_json::to_string_pretty(document).expect("it was read as JSON, or made of texts");
    text.push('\n');
    let mut beside =
        tempfile::Builder::new().permissions(Permissions::from_mode(0o600)).tempfile_in(folder).map_err(wrong)?;
    beside.write_all(text.as_bytes()).and_then(|()| beside.as_file().sync_all()).map_err(wrong)?;
    beside.persist(&target).map_err(|error| wrong(error.error)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{RegistrySettings, Secret};
    use crate::oci::Repository;

    #[test]
    fn what_is_remembered_is_found_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/config.json");
        let login = |user: &str| Login::Password { user: user.into(), password: Secret::new("p:w") };
        let settings = RegistrySettings { login_files: vec![file.clone()], ..RegistrySettings::default() };
        let find = |name: &str| super::super::logins(&settings, &Repository::of(&name.parse().unwrap())).unwrap();
        remember(&file, "localhost:5000", &login("one")).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&file, fs::read_to_string(&file).unwrap().replacen('{', "{\"other\": [1],", 1)).unwrap();
        remember(&file, "docker.io", &login("hub")).unwrap();
        remember(&file, "https://localhost:5000/", &login("two")).unwrap();
        remember(&file, "localhost:5000/team", &Login::Identity(Secret::new("t"))).unwrap();
        assert_eq!(find("localhost:5000/x"), Some(login("two")));
        assert_eq!(find("debian"), Some(login("hub")));
        assert_eq!(find("localhost:5000/team/x"), Some(Login::Identity(Secret::new("t"))));
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains("\"other\"") && text.contains(HUB) && !text.contains("p:w"), "{text}");
        assert!(forget(&file, "index.docker.io").unwrap());
        assert!(!forget(&file, "docker.io").unwrap());
        assert_eq!(find("debian"), None);
        assert!(!forget(&folder.path().join("nothing"), "x.example").unwrap());
        fs::write(&file, "[]").unwrap();
        assert!(matches!(remember(&file, "a.example", &login("x")), Err(RegistryError::LoginFile { .. })));
    }
}
