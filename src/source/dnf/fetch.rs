//! From a pin to a root filesystem: fetching exactly its packages, and installing them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use super::host_rpm::HostRpm;
use super::install::{self, Parcel};
use super::repositories::{self, Repository};
use super::{DnfError, database};
use crate::context::Context;
use crate::epoch::Epoch;
use crate::http::{Job, address_in};
use crate::lock::{DnfPin, LockedRpm};
use crate::report::{Phase, Unit, counted};
use crate::source::Rootfs;

/// Makes the root filesystem of `pin`. With a full store it needs no network. `programs` are the folders of this machine's
/// programs.
pub fn fetch(
    pin: &DnfPin,
    repositories: &[Repository],
    programs: &[PathBuf],
    context: &Context,
) -> Result<Rootfs, DnfError> {
    let rpm = HostRpm::find(programs)?;
    let (parcels, newest) = download(pin, repositories, context)?;
    let epoch = context.epoch.or(newest).unwrap_or_default();
    let count = parcels.len();
    context.reporter.begin(Phase::Configure, Some(count as u64), Unit::Items);
    let mut tree = install::install(pin, &parcels, &rpm, epoch, context)?;
    database::settle_new(&mut tree, &pin.database)?;
    context.reporter.advance(Phase::Configure, count as u64);
    context.reporter.end(Phase::Configure, &counted(count, "package"));
    Ok(Rootfs::new(tree, epoch, format!("{count} packages of {} {}", pin.distribution, pin.release)))
}

/// Downloads the packages that the store lacks; gives them in the lock's order, and the time at which the newest was built.
fn download(
    pin: &DnfPin,
    repositories: &[Repository],
    context: &Context,
) -> Result<(Vec<Parcel>, Option<Epoch>), DnfError> {
    // Lists of mirrors are asked only for what is not here.
    let missing = pin.packages.iter().filter(|package| context.store.blob(&package.sha256).is_none());
    let ids: Vec<&str> = missing.map(|package| &*package.repository).collect();
    let bases = repositories::bases(repositories, &ids, context)?;
    let jobs: Vec<Job> = pin.packages.iter().map(|package| job(package, &bases)).collect();
    let bytes = jobs.iter().map(|job| job.size).sum();
    context.reporter.begin(Phase::Download, Some(bytes), Unit::Bytes);
    let parcels = Mutex::new(vec![None; jobs.len()]);
    let each = |number: usize, file| {
        let package = &pin.packages[number];
        let parcel = Parcel::read(package, file)?;
        parcels.lock().expect("no thread panics while it holds the packages")[number] = Some(parcel);
        Ok::<_, DnfError>(())
    };
    let advance = |bytes| context.reporter.advance(Phase::Download, bytes);
    context.http.download_all(&jobs, &context.store, &advance, each)?;
    context.reporter.end(Phase::Download, &format!("{}, {:.1} MB", counted(jobs.len(), "package"), bytes as f64 / 1e6));
    let parcels = parcels.into_inner().expect("no thread panics while it holds the packages");
    let parcels: Vec<Parcel> = parcels.into_iter().flatten().collect();
    let newest = parcels.iter().filter_map(|parcel| parcel.built).max();
    Ok((parcels, newest))
}

/// The download of a package, from the repositories at `bases`.
pub(super) fn job(package: &LockedRpm, bases: &BTreeMap<String, Vec<String>>) -> Job {
    let addresses = bases.get(&package.repository).into_iter().flatten();
    Job {
        what: format!("{}-{}.{}", package.name, package.version, package.architecture),
        candidates: addresses.map(|base| address_in(base, &package.path)).collect(),
        digest: package.sha256,
        size: package.size,
    }
}
