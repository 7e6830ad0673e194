//! The environment: read here, once, and nowhere else in the program.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::epoch::Epoch;
use crate::error::Error;
use crate::http::Secret;

/// The variables that the program heeds.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `ROOTSMITH_STORE`: where the store is.
    pub store: Option<PathBuf>,
    /// `ROOTSMITH_LOG`: what is logged, in the form of `tracing`'s filters.
    pub log: Option<String>,
    /// `SOURCE_DATE_EPOCH`, as it was given.
    pub source_date_epoch: Option<String>,
    /// `http_proxy`. Not in capitals: CGI fills that from a request's header.
    pub http_proxy: Option<String>,
    /// `https_proxy`.
    pub https_proxy: Option<String>,
    /// `all_proxy`, for both.
    pub all_proxy: Option<String>,
    /// `no_proxy`.
    pub no_proxy: Option<String>,
    /// Whether `NO_COLOR` is set to anything.
    pub no_color: bool,
    /// Whether `TERM` is `dumb` or missing.
    pub is_dumb: bool,
    /// `XDG_CACHE_HOME`, else `HOME` with `.cache`.
    pub cache: Option<PathBuf>,
    /// `DOCKER_HOST`.
    pub docker_host: Option<String>,
    /// `NETRC`, else `HOME` with `.netrc`: where logins are.
    pub netrc: Option<PathBuf>,
    /// How registries are reached.
    pub registries: RegistryEnvironment,
    /// `PATH`: where programs are looked for.
    pub path: Vec<PathBuf>,
    /// The folder that relative paths start from.
    pub folder: PathBuf,
}

impl Environment {
    /// Reads it.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn read() -> Self {
        Self::from(&|name| env::var_os(name), env::current_dir().unwrap_or_else(|_| PathBuf::from("/")))
    }

    fn from(variable: &dyn Fn(&str) -> Option<OsString>, folder: PathBuf) -> Self {
        // An empty variable counts as one that is not set, as for most programs.
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let text = |name: &str| set(name).and_then(|value| value.into_string().ok());
        let either = |name: &str| text(name).or_else(|| text(&name.to_ascii_uppercase()));
        let absolute = |name: &str| set(name).map(PathBuf::from).filter(|path| path.is_absolute());
        Self {
            store: set("ROOTSMITH_STORE").map(PathBuf::from),
            log: text("ROOTSMITH_LOG"),
            source_date_epoch: text("SOURCE_DATE_EPOCH"),
            http_proxy: text("http_proxy"),
            https_proxy: either("https_proxy"),
            all_proxy: either("all_proxy"),
            no_proxy: either("no_proxy"),
            no_color: set("NO_COLOR").is_some(),
            is_dumb: text("TERM").is_none_or(|term| term == "dumb"),
            cache: absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache"))),
            docker_host: text("DOCKER_HOST"),
            netrc: set("NETRC").map(PathBuf::from).or_else(|| absolute("HOME").map(|home| home.join(".netrc"))),
            registries: RegistryEnvironment::from(&set, &text, &folder),
            path: set("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default(),
            folder,
        }
    }

    /// The store's folder: the flag's, else the variable's, else one in the user's cache.
    pub fn store_folder(&self, flag: Option<&Path>) -> Result<PathBuf, Error> {
        let asked = flag.map(Path::to_owned).or_else(|| self.store.clone());
        let found = asked.or_else(|| self.cache.as_ref().map(|cache| cache.join("rootsmith")));
        found.map(|folder| self.folder.join(folder)).ok_or_else(|| Error::Usage {
            message: "there is no place for the store: HOME is not set".to_owned(),
            help: "name one: `--store DIR`, or ROOTSMITH_STORE".to_owned(),
        })
    }

    /// The timestamp asked for by `SOURCE_DATE_EPOCH`.
    pub fn epoch(&self) -> Result<Option<Epoch>, Error> {
        let parsed = self.source_date_epoch.as_deref().map(str::parse).transpose();
        parsed.map_err(|error: crate::epoch::ParseEpochError| Error::Usage {
            message: format!("cannot use SOURCE_DATE_EPOCH: {error}"),
            help: "set it to seconds, as `git log -1 --format=%ct` prints, or unset it".to_owned(),
        })
    }
}

/// Where other programs keep what they know of registries, and logins for this run.
#[derive(Clone, Debug, Default)]
pub struct RegistryEnvironment {
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`, else `HOME` with `.config`.
    pub configuration: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`.
    pub runtime: Option<PathBuf>,
    /// `DOCKER_CONFIG`: the folder of Docker's config.json.
    pub docker_config: Option<PathBuf>,
    /// `REGISTRY_AUTH_FILE`: the file of logins, as podman and skopeo know it.
    pub auth_file: Option<PathBuf>,
    /// `CONTAINERS_REGISTRIES_CONF`: in place of all other registries.conf.
    pub registries_conf: Option<PathBuf>,
    /// `DOCKER_AUTH_CONFIG`: the text of a config.json.
    pub auth_text: Option<Secret>,
    /// `ROOTSMITH_REGISTRY`: what the next two are for.
    pub registry: Option<String>,
    /// `ROOTSMITH_REGISTRY_USER`.
    pub user: Option<String>,
    /// `ROOTSMITH_REGISTRY_PASSWORD`.
    pub password: Option<Secret>,
}

impl RegistryEnvironment {
    fn from(set: &dyn Fn(&str) -> Option<OsString>, text: &dyn Fn(&str) -> Option<String>, folder: &Path) -> Self {
        let path = |name: &str| set(name).map(|path| folder.join(path));
        let home = path("HOME");
        Self {
            configuration: path("XDG_CONFIG_HOME").or_else(|| home.as_ref().map(|home| home.join(".config"))),
            home,
            runtime: path("XDG_RUNTIME_DIR"),
            docker_config: path("DOCKER_CONFIG"),
            auth_file: path("REGISTRY_AUTH_FILE"),
            registries_conf: path("CONTAINERS_REGISTRIES_CONF"),
            auth_text: text("DOCKER_AUTH_CONFIG").map(Secret::new),
            registry: text("ROOTSMITH_REGISTRY"),
            user: text("ROOTSMITH_REGISTRY_USER"),
            password: text("ROOTSMITH_REGISTRY_PASSWORD").map(Secret::new),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Environment {
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value));
        Environment::from(&variable, PathBuf::from("/folder"))
    }

    #[test]
    fn the_store_is_where_it_is_asked_for() {
        let home = ("HOME", "/home/me");
        let folder = |variables: &[(&str, &str)], flag: Option<&str>| {
            of(variables).store_folder(flag.map(Path::new)).map_err(|error| error.to_string())
        };
        assert_eq!(folder(&[home], None), Ok("/home/me/.cache/rootsmith".into()));
        assert_eq!(folder(&[home, ("XDG_CACHE_HOME", "/cache")], None), Ok("/cache/rootsmith".into()));
        assert_eq!(folder(&[home, ("XDG_CACHE_HOME", "relative")], None), Ok("/home/me/.cache/rootsmith".into()));
        assert_eq!(folder(&[home, ("ROOTSMITH_STORE", "/store")], None), Ok("/store".into()));
        assert_eq!(folder(&[home, ("ROOTSMITH_STORE", "/store")], Some("here")), Ok("/folder/here".into()));
        assert!(folder(&[("HOME", "")], None).is_err());
    }

    #[test]
    fn proxies_as_curl_reads_them() {
        let environment = of(&[("HTTP_PROXY", "http://evil"), ("HTTPS_PROXY", "http://p"), ("no_proxy", "a,b")]);
        assert_eq!(environment.http_proxy, None);
        assert_eq!(environment.https_proxy.as_deref(), Some("http://p"));
        assert_eq!(environment.no_proxy.as_deref(), Some("a,b"));
    }

    #[test]
    fn epochs() {
        assert_eq!(of(&[]).epoch().unwrap(), None);
        assert_eq!(of(&[("SOURCE_DATE_EPOCH", "1")]).epoch().unwrap(), Some(Epoch::from_seconds(1)));
        assert_eq!(of(&[("SOURCE_DATE_EPOCH", "today")]).epoch().unwrap_err().exit_code(), 2);
    }
}
