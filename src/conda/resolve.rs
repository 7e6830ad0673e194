//! From what an environment file asks for to a pin: every package by digest.

use std::collections::{BTreeMap, BTreeSet};

use rattler_conda_types::{MatchSpec, Subdir};

use super::channel::{Allowed, Source, subdir};
use super::environment::{self, ExactPackage, Packages, Wanted};
use super::network::Network;
use super::solve::{Problem, virtual_packages};
use super::wheel::WantedWheel;
use super::{Access, CondaError};
use crate::context::Context;
use crate::digest::{Digest, to_hex};
use crate::lock::{CondaPin, LockedConda, LockedWheel};
use crate::platform::Platform;
use crate::recipe::CondaRequest;
use crate::report::{Phase, Unit, counted};
use crate::store::Blob;

/// What is to be resolved.
#[derive(Clone, Debug)]
pub struct Resolve<'a> {
    /// What is asked for.
    pub request: &'a CondaRequest,
    /// What for.
    pub platform: Platform,
    /// The version of the base's glibc; nothing where it has another C library or none.
    pub glibc: Option<&'a str>,
    /// How channels are reached.
    pub access: &'a Access,
    /// An earlier pin, and the packages that may be others now: the rest stays as far as it can.
    pub keeping: Option<(&'a CondaPin, &'a [String])>,
}

/// Resolves a request. Packages whose list has no SHA-256 are downloaded to find it out, and checked against what the
/// list has.
pub fn resolve(what: &Resolve<'_>, context: &Context) -> Result<CondaPin, CondaError> {
    let Resolve { request, platform, .. } = *what;
    let reporter = &*context.reporter;
    let wanted = environment::read(request, subdir(platform))?;
    let allowed = Allowed::of(request)?;
    let network = access(request, what.access)?.open(context)?;
    let (packages, specs, virtual_packages, sources) = match wanted.packages {
        Packages::Specs { .. } => solved(what, &wanted, &allowed, &network, context)?,
        Packages::Exact(packages) => {
            // Nothing is solved, but wheels are made for a C library.
            let virtual_packages = match wanted.wheels.is_empty() {
                true => Vec::new(),
                false => virtual_packages(request, platform, what.glibc)?.iter().map(ToString::to_string).collect(),
            };
            (packages, Vec::new(), virtual_packages, Vec::new())
        }
    };
    reporter.begin(Phase::Download, None, Unit::Items);
    let lock = |package: ExactPackage| {
        let locked = locked(&package, request, subdir(platform), &sources, &allowed, &network, context);
        reporter.advance(Phase::Download, 1);
        locked
    };
    let packages = packages.into_iter().map(lock).collect::<Result<Vec<_>, _>>()?;
    let wheels = wanted.wheels.iter().map(|wheel| locked_wheel(wheel, &network, context)).collect::<Result<_, _>>()?;
    reporter.end(Phase::Download, &format!("{} conda packages known by digest", packages.len()));
    Ok(CondaPin {
        platform,
        prefix: request.prefix.as_str().to_owned(),
        name: wanted.name,
        specs,
        virtual_packages,
        variables: wanted.variables,
        packages,
        wheels,
    })
}

/// The paths in channels of the packages that stay.
fn kept(pin: &CondaPin, renewed: &[String]) -> BTreeSet<String> {
    let stays = |package: &&LockedConda| !renewed.contains(&package.name);
    pin.packages.iter().filter(stays).map(|package| package.path.clone()).collect()
}

/// Access with the mirrors of the request.
pub(super) fn access(request: &CondaRequest, access: &Access) -> Result<Access, CondaError> {
    let mut access = access.clone();
    for (channel, mirror) in &request.mirrors {
        let parse = |name: &str| Ok::<_, CondaError>(Source::parse(name, request.folder())?.base().clone());
        access.mirrors.insert(parse(channel)?, parse(mirror)?);
    }
    Ok(access)
}

type Solved = (Vec<ExactPackage>, Vec<String>, Vec<String>, Vec<Source>);

fn solved(
    what: &Resolve<'_>,
    wanted: &Wanted,
    allowed: &Allowed,
    network: &Network,
    context: &Context,
) -> Result<Solved, CondaError> {
    let request = what.request;
    let Packages::Specs { channels, specs } = &wanted.packages else { return Ok(Solved::default()) };
    let mut sources = Vec::new();
    for channel in channels {
        let source = Source::parse(channel, request.folder())?;
        allowed.check(&source, "")?;
        sources.push(source);
    }
    // A spec may name a channel of its own: `conda-forge::curl`.
    for spec in specs {
        let Some(channel) = &spec.channel else { continue };
        if !sources.iter().any(|source| *source.base() == **channel.base_url.url()) {
            let name = channel.name.clone().unwrap_or_else(|| channel.base_url.to_string());
            let source = Source { name, channel: (**channel).clone() };
            allowed.check(&source, &spec.to_string())?;
            sources.push(source);
        }
    }
    let virtual_packages = virtual_packages(request, what.platform, what.glibc)?;
    let problem = Problem {
        request,
        specs,
        channels: &sources,
        subdir: subdir(what.platform),
        virtual_packages: &virtual_packages,
        kept: what.keeping.map(|(pin, names)| kept(pin, names)).unwrap_or_default(),
    };
    let reporter = &*context.reporter;
    reporter.begin(Phase::Resolve, None, Unit::Items);
    let records = problem.solve(network, &context.store.root().join("channels"))?;
    reporter.end(Phase::Resolve, &counted(records.len(), "conda package"));
    let packages = records.into_iter().map(ExactPackage::of).collect();
    let specs = specs.iter().map(written).collect();
    Ok((packages, specs, virtual_packages.iter().map(ToString::to_string).collect(), sources))
}

/// A spec for locks and records, without a channel on this machine's disk: its path would be the machine's.
fn written(spec: &MatchSpec) -> String {
    let is_here = spec.channel.as_ref().is_some_and(|channel| channel.base_url.url().scheme() == "file");
    if is_here { MatchSpec { channel: None, ..spec.clone() }.to_string() } else { spec.to_string() }
}

fn locked(
    package: &ExactPackage,
    request: &CondaRequest,
    subdir: Subdir,
    sources: &[Source],
    allowed: &Allowed,
    network: &Network,
    context: &Context,
) -> Result<LockedConda, CondaError> {
    let outside = || CondaError::Channel {
        channel: super::network::plain(&package.url),
        reason: "packages are in a folder for their platform (`linux-64`, `noarch`) below the channel".to_owned(),
    };
    let (address, path) = package.place().ok_or_else(outside)?;
    let folder = path.split('/').next().and_then(|folder| folder.parse::<Subdir>().ok());
    if let Some(other) = folder.filter(|folder| ![subdir, Subdir::NoArch].contains(folder)) {
        let there = other.to_string();
        return Err(CondaError::Platform { path: request.environment.clone(), platform: subdir.to_string(), there });
    }
    let known = sources.iter().find(|source| source.base().as_str().trim_end_matches('/') == address);
    let source = match known {
        Some(source) => source.clone(),
        None => Source::parse(&address, request.folder())?,
    };
    allowed.check(&source, &package.title())?;
    let (sha256, size) = match (package.sha256, package.size) {
        (Some(sha256), Some(size)) => (sha256, size),
        _ => {
            let blob = download(package, network, context)?;
            (blob.digest, blob.size)
        }
    };
    Ok(LockedConda {
        name: package.name.clone(),
        version: package.version.clone(),
        build: package.build.clone(),
        channel: source.name,
        path,
        size,
        sha256,
    })
}

/// Downloads a package whose digest or size is not known, and compares what is.
fn download(package: &ExactPackage, network: &Network, context: &Context) -> Result<Blob, CondaError> {
    let failed =
        |source| CondaError::Fetch { package: package.title(), help: "check the address", source: Box::new(source) };
    let known = package.sha256.and_then(|digest| context.store.verified(&digest).transpose());
    if let Some(blob) = known {
        return Ok(blob?);
    }
    let blob = network.download(&package.url, &context.store, &|_| {}).map_err(failed)?;
    let mismatch = |expected: String, found: String| {
        failed(CondaError::Mismatch { url: super::network::plain(&package.url), expected, found })
    };
    match (package.sha256, package.md5) {
        (Some(expected), _) if expected != blob.digest => Err(mismatch(expected.to_string(), blob.digest.to_string())),
        (None, Some(expected)) => {
            let found = md5_of(&blob)?;
            if found == expected {
                return Ok(blob);
            }
            Err(mismatch(format!("md5:{}", to_hex(&expected)), format!("md5:{}", to_hex(&found))))
        }
        _ => Ok(blob),
    }
}

fn md5_of(blob: &Blob) -> Result<[u8; 16], CondaError> {
    use md5::Digest as _;
    let unreadable = |source| CondaError::Content {
        package: blob.digest.to_string(),
        path: blob.path.display().to_string(),
        source,
    };
    let mut file = std::fs::File::open(&blob.path).map_err(unreadable)?;
    let mut hasher = md5::Md5::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = std::io::Read::read(&mut file, &mut buffer).map_err(unreadable)?;
        if count == 0 {
            return Ok(hasher.finalize().into());
        }
        hasher.update(&buffer[..count]);
    }
}

fn locked_wheel(wheel: &WantedWheel, network: &Network, context: &Context) -> Result<LockedWheel, CondaError> {
    let stored = context.store.verified(&wheel.sha256)?;
    let blob = match stored {
        Some(blob) => blob,
        None => network.download(&wheel.address, &context.store, &|_| {})?,
    };
    if blob.digest != wheel.sha256 {
        let (expected, found): (Digest, Digest) = (wheel.sha256, blob.digest);
        let url = super::network::plain(&wheel.address);
        return Err(CondaError::Mismatch { url, expected: expected.to_string(), found: found.to_string() });
    }
    Ok(LockedWheel {
        name: wheel.name.clone(),
        version: wheel.version.clone(),
        url: wheel.written.clone(),
        size: blob.size,
        sha256: blob.digest,
    })
}

/// Where the channels of a pin are, by their words.
pub(super) fn sources(pin: &CondaPin, request: &CondaRequest) -> Result<BTreeMap<String, Source>, CondaError> {
    let mut sources = BTreeMap::new();
    for package in &pin.packages {
        if !sources.contains_key(&package.channel) {
            let source = Source::parse(&package.channel, request.folder())?;
            sources.insert(package.channel.clone(), source);
        }
    }
    Ok(sources)
}
