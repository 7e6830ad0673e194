//! What can go wrong with a download.

use std::path::PathBuf;

use crate::digest::Digest;
use crate::store::StoreError;

/// Why something could not be fetched. Addresses in it carry no login and no query.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum HttpError {
    /// A text that is no address to fetch from.
    #[error("cannot fetch from `{address}`: {reason}")]
    #[diagnostic(
        code(http::address),
        help("an address begins with http://, https:// or file://, or is an absolute path")
    )]
    Address {
        /// The text.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The network is off and the store does not have it.
    #[error("cannot fetch {what}: it is not in the store, and the network is off")]
    #[diagnostic(code(http::offline), help("run once without `--offline` and `--frozen`, which turn the network off"))]
    Offline {
        /// What is missing.
        what: String,
    },
    /// A certificate file that cannot be used.
    #[error("cannot use the certificates in `{}`", path.display())]
    #[diagnostic(code(http::certificates), help("the file must hold certificates in PEM form"))]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The HTTP client could not be made.
    #[error("cannot prepare for downloads")]
    #[diagnostic(code(http::prepare), help("`rootsmith doctor` shows what this machine lacks"))]
    Prepare {
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// This machine has no way to the network.
    #[error("cannot reach `{url}`: this machine has no working network")]
    #[diagnostic(
        code(http::no_network),
        help("check the network and its name servers; behind a proxy, set http_proxy and https_proxy")
    )]
    NoNetwork {
        /// The address.
        url: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No connection could be made, or none was answered.
    #[error("cannot reach `{url}`")]
    #[diagnostic(code(http::unreachable), help("check the address, or name another mirror with `--mirror URL`"))]
    Unreachable {
        /// The address.
        url: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no server of that name.
    #[error("cannot reach `{url}`: there is no server of that name")]
    #[diagnostic(code(http::unknown_host), help("check the address, or name another mirror with `--mirror URL`"))]
    UnknownHost {
        /// The address.
        url: String,
    },
    /// The server cannot prove who it is.
    #[error("cannot reach `{url}`: its certificate is not trusted")]
    #[diagnostic(
        code(http::untrusted),
        help("if it belongs to an authority of your own, trust that: `--ca-file FILE`")
    )]
    Untrusted {
        /// The address.
        url: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The connection broke before the end.
    #[error("the connection to `{url}` broke after {received} bytes")]
    #[diagnostic(code(http::interrupted), help("what has arrived is kept: run again to go on from there"))]
    Interrupted {
        /// The address.
        url: String,
        /// How many bytes had arrived.
        received: u64,
        /// What broke it.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The server does not have the file.
    #[error("`{url}` does not exist")]
    #[diagnostic(code(http::absent), help("the mirror may lack it: name another with `--mirror URL`"))]
    Absent {
        /// The address.
        url: String,
    },
    /// The server wants a login, or another one.
    #[error("`{url}` may not be read: the server answered {status}")]
    #[diagnostic(
        code(http::refused),
        help(
            "give a login for this server: in ~/.netrc or /etc/apt/auth.conf.d, or as `login` of the recipe's repository"
        )
    )]
    Refused {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The proxy wants a login.
    #[error("the proxy on the way to `{url}` wants a login")]
    #[diagnostic(code(http::proxy), help("put it into the proxy's address: http_proxy=http://USER:PASSWORD@HOST:PORT"))]
    ProxyLogin {
        /// The address.
        url: String,
    },
    /// The server answered with another status than success.
    #[error("cannot fetch `{url}`: the server answered {status}")]
    #[diagnostic(
        code(http::status),
        help("the server has a problem: try later, or another mirror with `--mirror URL`")
    )]
    Status {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// How many seconds the server asks to wait.
        retry_after: Option<u64>,
    },
    /// The server sent us elsewhere, in a way that is not followed.
    #[error("`{url}` leads to `{target}`, which is not followed: {reason}")]
    #[diagnostic(code(http::redirect), help("use the address that it should lead to, or another mirror"))]
    Redirect {
        /// The address.
        url: String,
        /// Where it leads.
        target: String,
        /// Why it is not followed.
        reason: &'static str,
    },
    /// Too few bytes arrived for too long.
    #[error("`{url}` sends too slowly: {received} bytes in {seconds} seconds")]
    #[diagnostic(code(http::slow), help("name another mirror with `--mirror URL`"))]
    TooSlow {
        /// The address.
        url: String,
        /// How many bytes arrived in that time.
        received: u64,
        /// The time, in seconds.
        seconds: u64,
    },
    /// There are more bytes than there may be.
    #[error("`{url}` is longer than the {limit} bytes expected")]
    #[diagnostic(
        code(http::too_long),
        help("the mirror does not serve what its index or the lock says: try another with `--mirror URL`")
    )]
    TooLong {
        /// The address.
        url: String,
        /// How many bytes it may have.
        limit: u64,
    },
    /// The bytes are not those that were asked for.
    #[error("`{url}` has the wrong bytes: expected {expected} ({size} bytes), found {found} ({received} bytes)")]
    #[diagnostic(
        code(http::mismatch),
        help("the mirror is broken or in the middle of an update: try later, or another with `--mirror URL`")
    )]
    Mismatch {
        /// The address.
        url: String,
        /// The digest asked for.
        expected: Digest,
        /// The digest of what arrived.
        found: Digest,
        /// The size asked for, in bytes.
        size: u64,
        /// How many bytes arrived.
        received: u64,
    },
    /// A local file cannot be read.
    #[error("cannot read `{}`", path.display())]
    #[diagnostic(code(http::file), help("check that the file may be read by you"))]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// No candidate gave the right bytes.
    #[error("cannot fetch {what}: none of {count} mirrors gave it", count = causes.len())]
    #[diagnostic(code(http::exhausted), help("the reason of each mirror is below; `--mirror URL` names a further one"))]
    Exhausted {
        /// What was to be fetched.
        what: String,
        /// Why each mirror did not, in the order of the mirrors.
        #[related]
        causes: Vec<HttpError>,
    },
    /// There is nowhere to fetch it from.
    #[error("cannot fetch {what}: no mirror is known for it")]
    #[diagnostic(code(http::no_candidate), help("name one in the recipe or with `--mirror URL`"))]
    NoCandidate {
        /// What was to be fetched.
        what: String,
    },
    /// Another download of the same run went wrong first, which is the error to look at.
    #[error("the download was ended because another one went wrong")]
    #[diagnostic(code(http::cancelled))]
    Cancelled,
    /// The store cannot take it.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
}

impl HttpError {
    /// Whether the file is just not there (404, 410, no such file), at every candidate.
    pub fn is_absent(&self) -> bool {
        match self {
            Self::Absent { .. } => true,
            Self::Exhausted { causes, .. } => causes.iter().all(Self::is_absent),
            _ => false,
        }
    }

    /// Whether the cause is on this machine: off line, no network, disk full.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Offline { .. }
            | Self::Certificates { .. }
            | Self::Prepare { .. }
            | Self::NoNetwork { .. }
            | Self::File { .. }
            | Self::Store(_) => true,
            Self::Exhausted { causes, .. } => causes.iter().all(Self::is_local),
            _ => false,
        }
    }

    /// Whether the cause is what the user wrote.
    pub fn is_input(&self) -> bool {
        matches!(self, Self::Address { .. } | Self::NoCandidate { .. })
    }

    /// Whether asking the same server again may help.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Exhausted { causes, .. } => causes.iter().any(Self::may_pass),
            Self::NoNetwork { .. } | Self::Unreachable { .. } | Self::Interrupted { .. } | Self::TooSlow { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500..),
            _ => false,
        }
    }

    /// Whether no candidate can help: the trouble is not with a server.
    pub(super) fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Offline { .. } | Self::Certificates { .. } | Self::Prepare { .. } | Self::Cancelled | Self::Store(_)
        )
    }
}

/// The last link of an error's chain.
pub(super) fn innermost<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause
}
