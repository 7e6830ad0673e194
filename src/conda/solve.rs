//! Choosing packages: rattler's gateway lists them, its solver chooses.

use std::collections::BTreeSet;
use std::path::Path;

use rattler_conda_types::{GenericVirtualPackage, MatchSpec, RepoDataRecord, Subdir};
use rattler_repodata_gateway::fetch::CacheAction;
use rattler_repodata_gateway::{ChannelConfig, Gateway, GatewayError, RepoData, SourceConfig};
use rattler_solve::{
    ChannelPriority as SolverPriority, ExcludeNewer, SolveError, SolverImpl, SolverTask, TimestampPolicy, resolvo,
};

use super::channel::{Source, split};
use super::error::Trouble;
use super::network::{Network, innermost};
use super::{CondaError, network};
use crate::platform::{Architecture, Platform};
use crate::recipe::{ChannelPriority, CondaRequest};

/// A problem to solve.
pub(super) struct Problem<'a> {
    pub(super) request: &'a CondaRequest,
    pub(super) specs: &'a [MatchSpec],
    /// In the order of their priority.
    pub(super) channels: &'a [Source],
    pub(super) subdir: Subdir,
    pub(super) virtual_packages: &'a [GenericVirtualPackage],
    /// Paths in channels of packages that are taken before others.
    pub(super) kept: BTreeSet<String>,
}

/// The kernel that images are taken to run on: that of Debian 11, older than any that is still looked after.
const LINUX: &str = "5.10";

impl Problem<'_> {
    /// The packages that solve it. Lists of packages are kept in `cache`.
    pub(super) fn solve(&self, network: &Network, cache: &Path) -> Result<Vec<RepoDataRecord>, CondaError> {
        let repodata = self.query(network, cache)?;
        let exclude_newer = self.request.exclude_newer.as_ref().and_then(|newer| {
            let cutoff = jiff::Timestamp::from_second(newer.seconds()).ok()?;
            // Packages of the years before dates were noted have none.
            Some(ExcludeNewer::from_datetime(cutoff).with_timestamp_policy(TimestampPolicy::AllowMissing))
        });
        let is_kept = |record: &&RepoDataRecord| split(&record.url).is_some_and(|(_, path)| self.kept.contains(&path));
        let locked_packages = repodata.iter().flat_map(RepoData::iter).filter(is_kept).collect();
        let task = SolverTask {
            locked_packages,
            specs: self.specs.to_vec(),
            virtual_packages: self.virtual_packages.to_vec(),
            channel_priority: match self.request.channel_priority {
                ChannelPriority::Strict => SolverPriority::Strict,
                ChannelPriority::Disabled => SolverPriority::Disabled,
            },
            exclude_newer,
            ..repodata.iter().map(RepoData::iter).collect::<SolverTask<'_, _>>()
        };
        match resolvo::Solver.solve(task) {
            Ok(solution) => Ok(solution.records),
            Err(error) => Err(self.unsolvable(error)),
        }
    }

    fn query(&self, network: &Network, cache: &Path) -> Result<Vec<RepoData>, CondaError> {
        std::fs::create_dir_all(cache).map_err(|error| CondaError::Prepare {
            reason: format!("cannot make the folder `{}`: {error}", cache.display()),
        })?;
        let cache_action = if network.is_offline() { CacheAction::ForceCacheOnly } else { CacheAction::CacheOrFetch };
        let gateway = Gateway::builder()
            .with_cache_dir(cache)
            .with_client(network.client())
            .with_max_concurrent_requests(16)
            .with_channel_config(ChannelConfig {
                default: SourceConfig { cache_action, ..SourceConfig::default() },
                ..ChannelConfig::default()
            })
            .finish();
        let channels = self.channels.iter().map(|source| source.channel.clone());
        let query = gateway.query(channels, [self.subdir, Subdir::NoArch], self.specs.iter().cloned()).recursive(true);
        network.run(async { query.await }).map(|output| output.repodata).map_err(|error| self.unlisted(&error, network))
    }

    fn unlisted(&self, error: &GatewayError, network: &Network) -> CondaError {
        let channels: Vec<_> = self.channels.iter().map(|source| format!("`{}`", source.name)).collect();
        let local = self.channels.iter().all(|source| source.base().scheme() == "file");
        let (trouble, help) = match error {
            GatewayError::SubdirNotFoundError(_) | GatewayError::UnsupportedUrl(_) => {
                (Trouble::Input, "check the channel's name or address: it has no `repodata.json` for this platform")
            }
            _ if network.is_offline() && !local => {
                (Trouble::Machine, "run once without `--offline` and `--frozen`, which turn the network off")
            }
            _ if local => {
                (Trouble::Input, "check the channel's path: `conda index` or `rattler-index` writes its list")
            }
            _ => {
                (Trouble::Upstream, "try later, or name another channel; logins come from RATTLER_AUTH_FILE and netrc")
            }
        };
        let reason = [error.to_string(), innermost(error)];
        let reason = if reason[0] == reason[1] { reason[0].clone() } else { reason.join(": ") };
        let reason = reason.split(' ').map(network::without_token).collect::<Vec<_>>().join(" ");
        CondaError::Index { channels: channels.join(", "), reason, help, trouble }
    }

    fn unsolvable(&self, error: SolveError) -> CondaError {
        let reason = match error {
            SolveError::Unsolvable(reasons) => reasons.join("\n"),
            other => other.to_string(),
        };
        let virtual_packages: Vec<String> = self.virtual_packages.iter().map(ToString::to_string).collect();
        let mut help = format!(
            "it was solved for {} with {}; loosen what is asked for, or add a channel",
            self.subdir,
            virtual_packages.join(", ")
        );
        if reason.contains("__glibc") {
            help.push_str("; a base with a newer glibc has more packages, one with musl has none of them");
        }
        if reason.contains("__cuda") {
            help.push_str("; `virtual-packages = { cuda = \"12.4\" }` says which driver the host has");
        }
        CondaError::Solve { path: self.request.environment.clone(), reason: reason.trim_end().to_owned(), help }
    }
}

/// The virtual packages of a platform whose base has this glibc, or none.
pub(super) fn virtual_packages(
    request: &CondaRequest,
    platform: Platform,
    glibc: Option<&str>,
) -> Result<Vec<GenericVirtualPackage>, CondaError> {
    let architecture = match platform.architecture {
        Architecture::Amd64 => "x86_64",
        Architecture::Arm64 => "aarch64",
        Architecture::Arm => "armv7l",
        Architecture::I386 => "x86",
        Architecture::Ppc64le => "ppc64le",
        Architecture::Riscv64 => "riscv64",
        Architecture::S390x => "s390x",
        Architecture::ArmV6 => "armv6l",
        Architecture::ArmV5 => "armv5l",
        Architecture::Mips64le => "mips64",
        Architecture::Loong64 => "loongarch64",
    };
    let mut known: std::collections::BTreeMap<String, (String, String)> =
        [("__unix", "0", "0"), ("__linux", LINUX, "0"), ("__archspec", "1", architecture)]
            .into_iter()
            .map(|(name, version, build)| (name.to_owned(), (version.to_owned(), build.to_owned())))
            .collect();
    if let Some(version) = glibc {
        known.insert("__glibc".to_owned(), (version.to_owned(), "0".to_owned()));
    }
    for (name, version) in &request.virtual_packages {
        let name = format!("__{}", name.strip_prefix("__").unwrap_or(name));
        let (version, build) = version.split_once('=').unwrap_or((version, "0"));
        known.insert(name, (version.to_owned(), build.to_owned()));
    }
    let parse = |(name, (version, build)): (String, (String, String))| {
        let text = format!("\"{name}={version}={build}\"");
        serde_json::from_str(&text).map_err(|error| CondaError::Channel {
            channel: format!("virtual-packages: {name} = {version}"),
            reason: error.to_string(),
        })
    };
    known.into_iter().map(parse).collect()
}
