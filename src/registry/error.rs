//! What can go wrong with a registry.

use std::path::PathBuf;

use crate::digest::Digest;
use crate::http::HttpError;
use crate::store::StoreError;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a registry does not do, or may not be asked, what is wanted. Addresses in it carry no login and no query.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum RegistryError {
    /// The network is off.
    #[error("cannot ask the registry for {what}: the network is off")]
    #[diagnostic(
        code(registry::offline),
        help("run once without `--offline` and `--frozen`, which turn the network off")
    )]
    Offline {
        /// What is missing.
        what: String,
    },
    /// No connection could be made, or none was answered.
    #[error("cannot reach the registry `{registry}`")]
    #[diagnostic(
        code(registry::unreachable),
        help("check its name and port; a registry without TLS that is not on this machine needs `--plain-http`")
    )]
    Unreachable {
        /// The registry.
        registry: String,
        /// Why not.
        source: Cause,
    },
    /// There is no server of that name.
    #[error("cannot reach the registry `{registry}`: there is no server of that name")]
    #[diagnostic(code(registry::unknown_host), help("check the name; one without a dot or a port is of Docker Hub"))]
    UnknownHost {
        /// The registry.
        registry: String,
    },
    /// The server that gives out its tokens does not answer.
    #[error("cannot reach `{server}`, which gives out the tokens of the registry `{registry}`")]
    #[diagnostic(
        code(registry::token_server),
        help("the registry sends its users there: see that this machine reaches that server too, by a proxy perhaps")
    )]
    TokenServer {
        /// The registry.
        registry: String,
        /// The token server.
        server: String,
        /// Why not.
        source: Cause,
    },
    /// It cannot prove who it is.
    #[error("cannot reach the registry `{registry}`: its certificate is not trusted")]
    #[diagnostic(
        code(registry::untrusted),
        help(
            "if it belongs to an authority of your own, trust that: `--ca-file FILE`, or put its certificate at \
             /etc/containers/certs.d/{registry}/ca.crt"
        )
    )]
    Untrusted {
        /// The registry.
        registry: String,
        /// Why not.
        source: Cause,
    },
    /// The connection broke, or nothing moved on it, until no further attempt was made.
    #[error("the connection to the registry broke: {what}")]
    #[diagnostic(code(registry::interrupted), help("what has arrived is kept: run again to go on from there"))]
    Interrupted {
        /// What was on its way.
        what: String,
        /// What broke it.
        source: Cause,
    },
    /// It wants a login, or another one.
    #[error("the registry `{registry}` does not let you {action} `{repository}`{message}")]
    #[diagnostic(
        code(registry::refused),
        help("check the name; if the repository is not public, log in: `rootsmith login {registry}`")
    )]
    Refused {
        /// The registry.
        registry: String,
        /// The repository.
        repository: String,
        /// `push to` or `pull from`.
        action: &'static str,
        /// The registry's words, after a colon; or nothing.
        message: String,
    },
    /// It was sent a login, and does not take it, or the login may not do what was asked.
    #[error("the registry `{registry}` does not let {login} {action} `{repository}`{message}")]
    #[diagnostic(
        code(registry::login_refused),
        help("see that the login is right there and may do this, or log in anew: `rootsmith login {registry}`")
    )]
    LoginRefused {
        /// The registry.
        registry: String,
        /// The repository.
        repository: String,
        /// `push to` or `pull from`.
        action: &'static str,
        /// Whose login was sent, and the file or variable that it is from.
        login: String,
        /// The registry's words, after a colon; or nothing.
        message: String,
    },
    /// A user and password that are not taken.
    #[error("the registry `{registry}` does not take this login{message}")]
    #[diagnostic(
        code(registry::login),
        help("check the user and the password; many registries want a token in its place")
    )]
    Login {
        /// The registry.
        registry: String,
        /// The registry's words, after a colon; or nothing.
        message: String,
    },
    /// There is no such thing.
    #[error("`{name}` is not in the registry")]
    #[diagnostic(
        code(registry::absent),
        help("check the name; some registries also answer so where you are not logged in: `rootsmith login REGISTRY`")
    )]
    Absent {
        /// What was asked for.
        name: String,
    },
    /// A repository that the registry does not make by itself.
    #[error("cannot push to `{repository}`: it does not exist in the registry `{registry}`{message}")]
    #[diagnostic(
        code(registry::no_repository),
        help("some registries, such as Amazon's, make no repository when something is pushed: create it there first")
    )]
    NoRepository {
        /// The registry.
        registry: String,
        /// The repository.
        repository: String,
        /// The registry's words, after a colon; or nothing.
        message: String,
    },
    /// A tag that may not be moved.
    #[error("the tag `{name}` may not be changed: the registry says that it is immutable{message}")]
    #[diagnostic(code(registry::immutable), help("push another tag, or none: `--push-by-digest`"))]
    Immutable {
        /// The name with its tag.
        name: String,
        /// The registry's words, after a colon; or nothing.
        message: String,
    },
    /// It answered with another status than success.
    #[error("cannot {action} `{name}`: the registry answered {status}{message}")]
    #[diagnostic(
        code(registry::status),
        help(
            "429 is too many requests: wait, or log in; 413 a limit of the registry or of a proxy before it; from 500 on \
             the registry has a problem: try later, or tell its operator"
        )
    )]
    Status {
        /// What was to be done: `push`.
        action: &'static str,
        /// To what.
        name: String,
        /// The HTTP status.
        status: u16,
        /// The registry's words, after a colon; or nothing.
        message: String,
        /// How many seconds it asks to wait.
        retry_after: Option<u64>,
    },
    /// More bytes than there may be.
    #[error("the {what} of `{name}` is larger than the {limit} bytes that it may have")]
    #[diagnostic(code(registry::too_large), help("this is no image that engines would take; check the name"))]
    TooLarge {
        /// `manifest`.
        what: &'static str,
        /// Of what.
        name: String,
        /// How many bytes it may have.
        limit: u64,
    },
    /// The bytes are not those that were asked for.
    #[error("the registry gave other bytes than asked for `{name}`: expected {expected}, found {found}")]
    #[diagnostic(
        code(registry::mismatch),
        help("the registry, or something on the way to it, is broken: tell its operator")
    )]
    Mismatch {
        /// What was asked for.
        name: String,
        /// The digest asked for.
        expected: Digest,
        /// The digest of what arrived.
        found: Digest,
    },
    /// A local blob that is not what its digest says.
    #[error("`{name}` is damaged: it has the digest {found}, where {expected} is named")]
    #[diagnostic(code(registry::damaged), help("make or copy the image anew"))]
    Damaged {
        /// The file.
        name: String,
        /// The digest that its manifest names.
        expected: Digest,
        /// The digest of its bytes.
        found: Digest,
    },
    /// An answer that is not one of the protocol.
    #[error("the registry's answer for `{name}` cannot be used: {problem}")]
    #[diagnostic(code(registry::answer), help("is it a registry? `curl https://HOST/v2/` should not give a web page"))]
    Answer {
        /// What was asked for.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// It sends us elsewhere, in a way that is not followed.
    #[error("the registry `{registry}` leads to `{target}`, which is not followed: {reason}")]
    #[diagnostic(code(registry::redirect), help("if that is the registry's true address, name that"))]
    Redirect {
        /// The registry.
        registry: String,
        /// Where it leads.
        target: String,
        /// Why it is not followed.
        reason: &'static str,
    },
    /// It wants the login sent to somebody else.
    #[error("the registry `{registry}` wants your login sent to `{realm}`, which is not done: {reason}")]
    #[diagnostic(
        code(registry::realm),
        help("if that host is known to you to give out this registry's tokens: `--trust-realm HOST`")
    )]
    Realm {
        /// The registry.
        registry: String,
        /// The address that it names.
        realm: String,
        /// Why it is not done.
        reason: &'static str,
    },
    /// A file of logins that cannot be used.
    #[error("cannot use the logins in `{}`: {problem}", path.display())]
    #[diagnostic(
        code(registry::login_file),
        help("it has the form of Docker's config.json; `--auth-file` names another")
    )]
    LoginFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A program that keeps logins.
    #[error("the credential helper `{program}` does not give the login for `{registry}`: {message}")]
    #[diagnostic(
        code(registry::helper),
        help("config.json names it in `credsStore` or `credHelpers`: install it, or take it out there")
    )]
    Helper {
        /// The program.
        program: String,
        /// The registry.
        registry: String,
        /// What it said.
        message: String,
    },
    /// A configuration of registries that cannot be used.
    #[error("cannot use the configuration of registries in `{}`: {problem}", path.display())]
    #[diagnostic(code(registry::configuration), help("containers-registries.conf(5) has its form"))]
    Configuration {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The configuration forbids the registry.
    #[error("`{name}` may not be used: registries.conf says `blocked = true`")]
    #[diagnostic(code(registry::blocked))]
    Blocked {
        /// What is blocked.
        name: String,
    },
    /// A certificate that cannot be used.
    #[error("cannot use the certificates in `{}`", path.display())]
    #[diagnostic(
        code(registry::certificates),
        help("certificates and keys are in PEM form; a `.cert` has a `.key` beside it")
    )]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: Cause,
    },
    /// A local file that is to be pushed.
    #[error("cannot read `{}`", path.display())]
    #[diagnostic(code(registry::file))]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The HTTP client.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Http(Box<HttpError>),
    /// The store.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
}

impl RegistryError {
    /// Whether the cause is on this machine.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Offline { .. } | Self::Helper { .. } | Self::File { .. } | Self::Certificates { .. } => true,
            Self::Http(error) => error.is_local(),
            _ => false,
        }
    }

    /// Whether the cause is what the user wrote: configuration and files of logins.
    pub fn is_input(&self) -> bool {
        match self {
            Self::LoginFile { .. } | Self::Configuration { .. } | Self::Blocked { .. } | Self::Login { .. } => true,
            Self::Damaged { .. } => true,
            Self::Http(error) => error.is_input(),
            _ => false,
        }
    }

    /// Whether what was asked for is just not there.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent { .. })
    }

    /// Whether the cause is the registry, or the way to it.
    pub fn is_remote(&self) -> bool {
        !self.is_local() && !self.is_input() && !matches!(self, Self::Store(_))
    }

    /// Whether asking again may help.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TokenServer { .. } | Self::Interrupted { .. } => true,
            Self::Status { status, .. } => may_pass(*status),
            _ => false,
        }
    }

    /// How many seconds the registry asks to wait.
    pub(super) fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The error of an HTTP exchange with `registry`, while `what` was on its way.
    pub(super) fn of_http(error: HttpError, registry: &str, what: &str) -> Self {
        let registry = registry.to_owned();
        match error {
            HttpError::Offline { what } => Self::Offline { what },
            HttpError::Untrusted { source, .. } => Self::Untrusted { registry, source },
            HttpError::Unreachable { source, .. } => Self::Unreachable { registry, source },
            HttpError::UnknownHost { .. } => Self::UnknownHost { registry },
            error @ (HttpError::TooSlow { .. } | HttpError::Interrupted { .. }) => {
                let source = match &error {
                    HttpError::TooSlow { seconds, .. } => format!("nothing came for {seconds} seconds").into(),
                    _ => error.into(),
                };
                Self::Interrupted { what: what.to_owned(), source }
            }
            other => Self::Http(Box::new(other)),
        }
    }
}

/// Statuses of trouble that passes: too many requests, and a server or gateway out of order.
pub(super) fn may_pass(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
}
