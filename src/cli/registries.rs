//! How this machine knows registries: files of Docker and the containers tools, the environment, and flags.

use std::fs;
use std::path::{Path, PathBuf};

use super::args::RegistryArgs;
use super::environment::{Environment, RegistryEnvironment};
use crate::error::Error;
use crate::http::{GivenLogin, RegistrySettings};
use crate::registry;

/// The settings that follow from flags and the environment. A file of logins that was named by a flag is there and can be
/// read; one that the environment names may come with the first login.
pub fn settings(arguments: &RegistryArgs, environment: &Environment) -> Result<RegistrySettings, Error> {
    let known = &environment.registries;
    if let Some(named) = &arguments.auth_file {
        registry::check_logins(&environment.folder.join(named))?;
    }
    Ok(RegistrySettings {
        plain_http: arguments.plain_http,
        login_files: login_files(arguments, environment),
        login_text: known.auth_text.clone(),
        login: login(known)?,
        certificate_folders: certificate_folders(known),
        configuration: configuration(known, Path::new("/")),
        trusted_realms: arguments.trusted_realms.clone(),
    })
}

/// The file that a login is written to: the one that was named, else Docker's, which all the others read too.
pub fn login_file(arguments: &RegistryArgs, environment: &Environment) -> Result<PathBuf, Error> {
    let known = &environment.registries;
    let named = arguments.auth_file.as_ref().map(|path| environment.folder.join(path));
    let found = named.or_else(|| known.auth_file.clone()).or_else(|| docker_file(known));
    found.ok_or_else(|| Error::Usage {
        message: "there is no place for logins: HOME is not set".to_owned(),
        help: "name a file: `--auth-file FILE`, or REGISTRY_AUTH_FILE".to_owned(),
    })
}

/// The files that logins are looked for in, in order. One that was named is the only one.
fn login_files(arguments: &RegistryArgs, environment: &Environment) -> Vec<PathBuf> {
    let known = &environment.registries;
    let named = arguments.auth_file.as_ref().map(|path| environment.folder.join(path));
    if let Some(named) = named.or_else(|| known.auth_file.clone()) {
        return vec![named];
    }
    let containers = |folder: &Option<PathBuf>| folder.as_ref().map(|folder| folder.join("containers/auth.json"));
    let mut files: Vec<PathBuf> =
        [containers(&known.runtime), containers(&known.configuration)].into_iter().flatten().collect();
    if let Some(docker) = docker_file(known) {
        // A folder that was named comes before those that are just there.
        let place = if known.docker_config.is_some() { 0 } else { files.len() };
        files.insert(place, docker);
    }
    files
}

fn docker_file(known: &RegistryEnvironment) -> Option<PathBuf> {
    let folder = known.docker_config.clone().or_else(|| known.home.as_ref().map(|home| home.join(".docker")));
    folder.map(|folder| folder.join("config.json"))
}

fn login(known: &RegistryEnvironment) -> Result<Option<GivenLogin>, Error> {
    match (&known.registry, &known.user, &known.password) {
        (Some(registry), Some(user), Some(password)) => {
            Ok(Some(GivenLogin { registry: registry.clone(), user: user.clone(), password: password.clone() }))
        }
        (None, None, None) => Ok(None),
        _ => Err(Error::Usage {
            message: "of ROOTSMITH_REGISTRY, ROOTSMITH_REGISTRY_USER and ROOTSMITH_REGISTRY_PASSWORD some are missing"
                .to_owned(),
            help: "set all three, so that the password goes to that registry and no other; or unset them".to_owned(),
        }),
    }
}

fn certificate_folders(known: &RegistryEnvironment) -> Vec<PathBuf> {
    let own = known.configuration.as_ref().map(|folder| folder.join("containers/certs.d"));
    let system = ["/etc/containers/certs.d", "/etc/docker/certs.d"].map(PathBuf::from);
    own.into_iter().chain(system).collect()
}

/// registries.conf: the user's in place of the system's, then what is in the folders of both.
fn configuration(known: &RegistryEnvironment, root: &Path) -> Vec<PathBuf> {
    if let Some(named) = &known.registries_conf {
        return vec![named.clone()];
    }
    let system = root.join("etc/containers");
    let user = known.configuration.as_ref().map(|folder| folder.join("containers"));
    let of_user = user.as_ref().map(|folder| folder.join("registries.conf")).filter(|path| path.exists());
    let mut files = vec![of_user.unwrap_or_else(|| system.join("registries.conf"))];
    for folder in [Some(system), user].into_iter().flatten() {
        let entries = fs::read_dir(folder.join("registries.conf.d")).into_iter().flatten().flatten();
        let mut further: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        further.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
        further.sort();
        files.extend(further);
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Secret;

    fn known(home: &Path) -> RegistryEnvironment {
        RegistryEnvironment {
            home: Some(home.to_owned()),
            configuration: Some(home.join(".config")),
            ..RegistryEnvironment::default()
        }
    }

    #[test]
    fn logins_are_where_docker_and_podman_keep_them() {
        let of = |known: RegistryEnvironment, flag: Option<&str>| {
            let arguments = RegistryArgs { auth_file: flag.map(PathBuf::from), ..RegistryArgs::default() };
            let environment = Environment { registries: known, folder: "/folder".into(), ..Environment::default() };
            let files = login_files(&arguments, &environment);
            let texts: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
            (texts.join(" "), login_file(&arguments, &environment).unwrap().display().to_string())
        };
        let home = || known(Path::new("/h"));
        let docker = "/h/.docker/config.json".to_owned();
        assert_eq!(of(home(), None), ("/h/.config/containers/auth.json /h/.docker/config.json".into(), docker));
        assert_eq!(of(home(), Some("a.json")), ("/folder/a.json".into(), "/folder/a.json".into()));
        let named = RegistryEnvironment { docker_config: Some("/d".into()), ..home() };
        assert_eq!(of(named, None), ("/d/config.json /h/.config/containers/auth.json".into(), "/d/config.json".into()));
        let named = RegistryEnvironment { auth_file: Some("/a".into()), runtime: Some("/r".into()), ..home() };
        assert_eq!(of(named, None), ("/a".into(), "/a".into()));
    }

    #[test]
    fn a_file_of_logins_that_was_named_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let environment = Environment { folder: folder.path().to_owned(), ..Environment::default() };
        let arguments = RegistryArgs { auth_file: Some("a.json".into()), ..RegistryArgs::default() };
        let wrong = || {
            let error = settings(&arguments, &environment).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            error.to_string()
        };
        assert!(wrong().contains("there is no such file"));
        fs::write(folder.path().join("a.json"), "{\"auths\": []}").unwrap();
        assert!(wrong().contains("line 1, column"));
        fs::write(folder.path().join("a.json"), "{\"auths\": {}}").unwrap();
        assert_eq!(settings(&arguments, &environment).unwrap().login_files, [folder.path().join("a.json")]);
    }

    #[test]
    fn a_password_without_a_registry_goes_nowhere() {
        let mut known = known(Path::new("/h"));
        known.password = Some(Secret::new("x"));
        assert_eq!(login(&known).unwrap_err().exit_code(), 2);
        known.user = Some("me".into());
        known.registry = Some("x.example".into());
        assert!(login(&known).unwrap().is_some());
    }

    #[test]
    fn the_users_registries_conf_replaces_the_systems() {
        let root = tempfile::tempdir().unwrap();
        let system = root.path().join("etc/containers");
        let user = root.path().join("home/.config/containers");
        fs::create_dir_all(system.join("registries.conf.d")).unwrap();
        fs::create_dir_all(&user).unwrap();
        fs::write(system.join("registries.conf.d/b.conf"), "").unwrap();
        fs::write(system.join("registries.conf.d/a.conf.save"), "").unwrap();
        let known = known(&root.path().join("home"));
        let files = configuration(&known, root.path());
        assert_eq!(files, [system.join("registries.conf"), system.join("registries.conf.d/b.conf")]);
        fs::write(user.join("registries.conf"), "").unwrap();
        assert_eq!(configuration(&known, root.path())[0], user.join("registries.conf"));
    }
}
