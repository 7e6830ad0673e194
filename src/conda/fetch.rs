//! From a pin to an environment: downloading, unpacking and linking its packages.

use std::sync::Mutex;

use rayon::prelude::*;

use super::archive::unpack;
use super::install::{self, Environment};
use super::link::Package;
use super::network::{Network, plain};
use super::resolve::{access, sources};
use super::wheel::{Wheel, address_of};
use super::{Access, CondaError};
use crate::context::Context;
use crate::digest::Digest;
use crate::http::{HttpError, Job};
use crate::lock::{CondaPin, LockedConda};
use crate::recipe::CondaRequest;
use crate::report::{Phase, Unit, counted};
use crate::store::Blob;

/// Makes the environment of `pin`. With a full store it needs no network. Of `request` only what does not decide which
/// packages there are is looked at: where channels are, what is left out.
pub fn fetch(
    pin: &CondaPin,
    request: &CondaRequest,
    logins: &Access,
    context: &Context,
) -> Result<Environment, CondaError> {
    let reporter = &*context.reporter;
    let sources = sources(pin, request)?;
    let access = access(request, logins)?;
    let bytes = pin.packages.iter().map(|package| package.size).sum();
    reporter.begin(Phase::Download, Some(bytes), Unit::Bytes);
    let mut wanted = Vec::new();
    for package in &pin.packages {
        let source = &sources[&package.channel];
        let mirror = access.mirrors.get(source.base()).map(|mirror| mirror.join(&package.path));
        let mirror = mirror
            .transpose()
            .map_err(|error| CondaError::Channel { channel: package.channel.clone(), reason: error.to_string() })?;
        wanted.push(Wanted { package, url: source.file(&package.path)?, mirror });
    }
    let blobs = download(&wanted, &access, context)?;
    reporter.end(Phase::Download, &format!("{}, {:.1} MB", counted(wanted.len(), "conda package"), bytes as f64 / 1e6));

    reporter.begin(Phase::Unpack, Some(wanted.len() as u64), Unit::Items);
    let mut work: Vec<(&Wanted<'_>, Blob)> = wanted.iter().zip(blobs).collect();
    // The largest first: they take longest.
    work.sort_by_key(|(wanted, _)| std::cmp::Reverse(wanted.package.size));
    let read = |(wanted, blob): &(&Wanted<'_>, Blob)| {
        let files = unpack(blob, &wanted.title(), &context.store)?;
        reporter.advance(Phase::Unpack, 1);
        Package::read(wanted.package.clone(), files)
    };
    let packages = work.par_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let wheels = wheels(pin, request, &access, context)?;
    let environment = install::install(packages, wheels, pin, request, &sources, context.epoch, &context.store)?;
    reporter.end(Phase::Unpack, &counted(wanted.len(), "conda package"));
    Ok(environment)
}

/// A package and where it is.
struct Wanted<'a> {
    package: &'a LockedConda,
    url: url::Url,
    mirror: Option<url::Url>,
}

impl Wanted<'_> {
    fn title(&self) -> String {
        format!("{} {} ({})", self.package.name, self.package.version, self.package.build)
    }

    fn failed(&self, source: CondaError) -> CondaError {
        let help = match self.url.scheme() {
            "file" => "copy it there, or solve without it: `rootsmith lock --update RECIPE`",
            _ => "try later, or lock anew: `rootsmith lock --update RECIPE`",
        };
        CondaError::Fetch { package: self.title(), help, source: Box::new(source) }
    }
}

/// The files of the packages, in their order, from the store or the channels.
fn download(wanted: &[Wanted<'_>], access: &Access, context: &Context) -> Result<Vec<Blob>, CondaError> {
    let store = &context.store;
    let stored = wanted.par_iter().map(|wanted| store.verified(&wanted.package.sha256));
    let stored: Vec<Option<Blob>> = stored.collect::<Result<_, _>>()?;
    let missing: Vec<usize> = (0..wanted.len()).filter(|index| stored[*index].is_none()).collect();
    let found = Mutex::new(stored);
    let advance = |bytes| context.reporter.advance(Phase::Download, bytes);
    let keep = |index: usize, blob: Blob| {
        found.lock().expect("no thread panics while it holds the blobs")[index] = Some(blob);
    };
    if !missing.is_empty() {
        let network = access.open(context)?;
        let (special, plain): (Vec<usize>, Vec<usize>) =
            missing.into_iter().partition(|index| wanted[*index].addresses().any(|url| network.is_needed_for(url)));
        for index in special {
            let blob = by_rattler(&wanted[index], &network, context, &advance)?;
            keep(index, blob);
        }
        let jobs: Vec<Job> = plain.iter().map(|index| wanted[*index].job()).collect();
        // One that fails is asked for again, to learn which one it was.
        let each = |place: usize, blob: Blob| {
            keep(plain[place], blob);
            Ok::<_, HttpError>(())
        };
        if let Err(error) = context.http.download_all(&jobs, store, &advance, each) {
            let failed = plain.iter().find(|index| {
                let found = found.lock().expect("no thread panics while it holds the blobs");
                found[**index].is_none() && names(&error, &wanted[**index])
            });
            return Err(match failed {
                Some(index) => wanted[*index].failed(error.into()),
                None => error.into(),
            });
        }
    }
    let found = found.into_inner().expect("no thread panicked, or its scope would have");
    Ok(found.into_iter().flatten().collect())
}

/// Whether an error is about a package's file.
fn names(error: &HttpError, wanted: &Wanted<'_>) -> bool {
    let file = wanted.package.path.rsplit('/').next().unwrap_or_default();
    match error {
        HttpError::Exhausted { what, .. } => *what == wanted.title() || what.contains(file),
        other => other.to_string().contains(file),
    }
}

impl Wanted<'_> {
    /// Where it is, in order of preference.
    fn addresses(&self) -> impl Iterator<Item = &url::Url> {
        self.mirror.iter().chain([&self.url])
    }

    fn job(&self) -> Job {
        Job {
            what: self.title(),
            candidates: self.addresses().map(url::Url::to_string).collect(),
            digest: self.package.sha256,
            size: self.package.size,
        }
    }
}

fn by_rattler(
    wanted: &Wanted<'_>,
    network: &Network,
    context: &Context,
    advance: &dyn Fn(u64),
) -> Result<Blob, CondaError> {
    let blob = network.download(&wanted.url, &context.store, advance).map_err(|error| wanted.failed(error))?;
    check(&blob, &wanted.package.sha256, &wanted.url).map_err(|error| wanted.failed(error))?;
    Ok(blob)
}

fn check(blob: &Blob, expected: &Digest, url: &url::Url) -> Result<(), CondaError> {
    if blob.digest == *expected {
        return Ok(());
    }
    Err(CondaError::Mismatch { url: plain(url), expected: expected.to_string(), found: blob.digest.to_string() })
}

fn wheels(
    pin: &CondaPin,
    request: &CondaRequest,
    access: &Access,
    context: &Context,
) -> Result<Vec<Wheel>, CondaError> {
    let mut wheels = Vec::new();
    for wheel in &pin.wheels {
        let blob = match context.store.verified(&wheel.sha256)? {
            Some(blob) => blob,
            None => {
                let url = address_of(&wheel.url, request.folder())?;
                let blob = access.open(context)?.download(&url, &context.store, &|_| {})?;
                check(&blob, &wheel.sha256, &url)?;
                blob
            }
        };
        wheels.push(Wheel { name: wheel.name.clone(), version: wheel.version.clone(), url: wheel.url.clone(), blob });
    }
    Ok(wheels)
}
