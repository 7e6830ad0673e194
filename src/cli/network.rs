//! How this machine reaches the network: the environment's proxies, and what apt is told.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::args::NetworkArgs;
use crate::cli::environment::Environment;
use crate::error::Error;
use crate::http::{
    AptProxies, ChannelLogins, Credential, HostMirror, HttpOptions, Proxies, mirrors_in_deb822, mirrors_in_list,
    parse_netrc,
};
use crate::source::debian::archives;

/// The options for downloads on this machine.
pub fn http_options(arguments: &NetworkArgs, environment: &Environment) -> Result<HttpOptions, Error> {
    Ok(HttpOptions {
        proxies: proxies(environment, Path::new("/")),
        certificates: arguments.certificates.iter().map(|path| environment.folder.join(path)).collect(),
        credentials: credentials(Path::new("/"), environment.netrc.as_deref())?,
        offline: arguments.is_offline(),
        retries: arguments.patience.retries,
        patience: Duration::from_secs(arguments.patience.timeout),
        gaps: archives::dated_gaps(),
        registries: super::registries::settings(&arguments.registry, environment)?,
        ..HttpOptions::default()
    })
}

/// Where logins for conda channels are.
pub fn channel_logins(environment: &Environment) -> ChannelLogins {
    ChannelLogins { auth_file: environment.rattler_auth_file.clone(), netrc: environment.netrc.clone() }
}

/// The mirrors that were named by flags: names of repositories, or nothing for the main one, and addresses. Folders are
/// made absolute, and have to be there.
pub fn mirrors(arguments: &NetworkArgs, environment: &Environment) -> Result<Vec<(String, String)>, Error> {
    let mirror = |text: &String| {
        let (id, place) = named(text).unwrap_or(("", text));
        let address = match place.contains(':') {
            true => place.to_owned(),
            false => environment.folder.join(place).display().to_string(),
        };
        let folder = Path::new(address.strip_prefix("file://").unwrap_or(&address));
        // What is encoded or has variables in it is for those to look up who know better.
        let is_plain = folder.is_absolute() && !address.contains(['%', '$']);
        if is_plain && !folder.is_dir() {
            return Err(Error::Usage {
                message: format!("`--mirror {text}` names a folder that is not there: {}", folder.display()),
                help: "name the folder that has the repository, above its `dists` where it is of Debian".to_owned(),
            });
        }
        Ok((id.to_owned(), address))
    };
    arguments.mirrors.iter().map(mirror).collect()
}

/// `ID=URL`, a mirror of an archive other than the main one.
fn named(mirror: &str) -> Option<(&str, &str)> {
    let (id, url) = mirror.split_once('=')?;
    let plain = id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte));
    (plain && !id.is_empty()).then_some((id, url))
}

/// The proxies of the environment and of apt's configuration below `root`.
pub fn proxies(environment: &Environment, root: &Path) -> Proxies {
    let all = &environment.all_proxy;
    Proxies {
        http: environment.http_proxy.clone().or_else(|| all.clone()),
        https: environment.https_proxy.clone().or_else(|| all.clone()),
        no_proxy: environment.no_proxy.clone().unwrap_or_default(),
        apt: AptProxies::parse(&apt_texts(root, "apt.conf").concat()),
    }
}

/// The mirrors that apt of this machine uses, in the order of its files.
pub fn host_mirrors(root: &Path) -> Vec<HostMirror> {
    let folder = root.join("etc/apt");
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    let mut mirrors = mirrors_in_list(&read(&folder.join("sources.list")));
    for path in files_in(&folder.join("sources.list.d")) {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("list") => mirrors.extend(mirrors_in_list(&read(&path))),
            Some("sources") => mirrors.extend(mirrors_in_deb822(&read(&path))),
            _ => {}
        }
    }
    mirrors
}

/// The logins of netrc and of apt, where this user may read them. Of two that fit as well, apt's counts.
fn credentials(root: &Path, netrc: Option<&Path>) -> Result<Vec<Credential>, Error> {
    let mut credentials = Vec::new();
    if let Some(path) = netrc
        && let Ok(text) = fs::read_to_string(path)
    {
        credentials.extend(parse_netrc(&text).map_err(|error| Error::Usage {
            message: format!("cannot use the logins in {}: {error}", path.display()),
            help: "each is `machine HOST login USER password PASSWORD`; NETRC names another file".to_owned(),
        })?);
    }
    for text in apt_texts(root, "auth.conf") {
        credentials.extend(parse_netrc(&text).map_err(|error| Error::Usage {
            message: format!("cannot use the logins in /etc/apt/auth.conf or auth.conf.d: {error}"),
            help: "see apt_auth.conf(5)".to_owned(),
        })?);
    }
    Ok(credentials)
}

/// The texts of `<name>.d/*` in their order, then of `<name>`, as apt reads them. What cannot be read is not there.
fn apt_texts(root: &Path, name: &str) -> Vec<String> {
    let folder = root.join("etc/apt");
    let mut paths = files_in(&folder.join(format!("{name}.d")));
    // Files of other extensions are leftovers of editors and package managers.
    paths.retain(|path| path.extension().is_none_or(|extension| extension == "conf"));
    paths.push(folder.join(name));
    paths.iter().filter_map(|path| fs::read_to_string(path).ok()).map(|text| text + "\n").collect()
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apt_is_read_in_its_order() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("etc/apt/apt.conf.d");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("20late"), "Acquire::http::Proxy \"http://late\";").unwrap();
        fs::write(folder.join("10early"), "Acquire::http::Proxy \"http://early\";").unwrap();
        fs::write(folder.join("90backup.dpkg-old"), "Acquire::http::Proxy \"http://old\";").unwrap();
        let found = proxies(&Environment::default(), root.path()).apt;
        assert_eq!(found, AptProxies::parse("Acquire::http::Proxy \"http://late\";"));
    }

    #[test]
    fn logins_of_netrc_and_apt() {
        let root = tempfile::tempdir().unwrap();
        let netrc = root.path().join("netrc");
        assert_eq!(credentials(root.path(), Some(&netrc)).unwrap(), [], "there is none");
        fs::write(&netrc, "machine a.example login me password hunter2\n").unwrap();
        fs::create_dir_all(root.path().join("etc/apt/auth.conf.d")).unwrap();
        let file = root.path().join("etc/apt/auth.conf.d/vendor.conf");
        fs::write(&file, "machine https://b.example/x login you password y").unwrap();
        let expected = [
            Credential::new("a.example", "me", "hunter2").unwrap(),
            Credential::new("https://b.example/x", "you", "y").unwrap(),
        ];
        assert_eq!(credentials(root.path(), Some(&netrc)).unwrap(), expected);
        fs::write(&netrc, "machine /a login me password hunter2\n").unwrap();
        let error = credentials(root.path(), Some(&netrc)).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn folders_among_the_mirrors_are_absolute() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("mirror")).unwrap();
        let environment = Environment { folder: root.path().to_owned(), ..Environment::default() };
        let read = |text: &str| {
            let arguments = NetworkArgs { mirrors: vec![text.to_owned()], ..NetworkArgs::default() };
            mirrors(&arguments, &environment).map(|mut mirrors| mirrors.remove(0))
        };
        let folder = root.path().join("mirror").display().to_string();
        for (text, id, address) in [
            ("http://a.example", "", "http://a.example"),
            ("x-security=http://a.example/?a=b", "x-security", "http://a.example/?a=b"),
            ("mirror", "", &folder),
            (&folder, "", &folder),
            ("x-security=mirror", "x-security", &folder),
            ("file:///x/$basearch", "", "file:///x/$basearch"),
        ] {
            assert_eq!(read(text).unwrap(), (id.to_owned(), address.to_owned()));
        }
        for missing in ["mirorr", "file:///nowhere/x", "x-security=/nowhere/x"] {
            let error = read(missing).unwrap_err();
            assert!(
                error.to_string().starts_with(&format!("`--mirror {missing}` names a folder that is not")),
                "{error}"
            );
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn mirrors_of_both_forms_are_found() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("etc/apt/sources.list.d");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("b.sources"), "Types: deb\nURIs: http://b.example\nSuites: x\n").unwrap();
        fs::write(folder.join("a.list"), "deb http://a.example x main").unwrap();
        fs::write(folder.join("c.list.save"), "deb http://c.example x main").unwrap();
        let urls: Vec<String> = host_mirrors(root.path()).into_iter().map(|mirror| mirror.url).collect();
        assert_eq!(urls, ["http://a.example", "http://b.example"]);
        assert_eq!(host_mirrors(&root.path().join("nowhere")), []);
    }
}
