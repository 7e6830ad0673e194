//! From a pin to a root filesystem: downloading, checking, unpacking and installing its packages.

use std::sync::Mutex;

use super::error::ApkError;
use super::install;
use super::repositories::Mirrors;
use super::unpack::{self, Unpacked};
use crate::context::Context;
use crate::epoch::Epoch;
use crate::http::{Job, address_in};
use crate::lock::{ApkPin, LockedApk};
use crate::report::{Phase, Unit, counted};
use crate::source::Rootfs;
use crate::store::Blob;

/// Makes the root filesystem of `pin`. With a full store it needs no network.
pub fn fetch(pin: &ApkPin, mirrors: &Mirrors, context: &Context) -> Result<Rootfs, ApkError> {
    let packages = download(pin, mirrors, context)?;
    let built = |package: &Unpacked| package.package.info.value("builddate").parse::<i64>().ok();
    let newest = packages.iter().filter_map(built).max().map(Epoch::from_seconds);
    let epoch = context.epoch.or(newest).unwrap_or_default();
    let count = packages.len();
    let notes = install::left_out(pin, &packages).into_iter().collect();
    context.reporter.begin(Phase::Configure, Some(count as u64), Unit::Items);
    let tree = install::install(pin, packages, epoch, context)?;
    context.reporter.end(Phase::Configure, &counted(count, "package"));
    let branch = pin.branch.as_ref().map(|branch| format!(" {branch}")).unwrap_or_default();
    let summary = format!("{count} packages of {}{branch}", pin.distribution);
    Ok(Rootfs { notes, ..Rootfs::new(tree, epoch, summary) })
}

/// Downloads the packages that the store lacks, and unpacks each as soon as it is there; sorted by name.
fn download(pin: &ApkPin, mirrors: &Mirrors, context: &Context) -> Result<Vec<Unpacked>, ApkError> {
    let (store, reporter) = (&context.store, &*context.reporter);
    let mut packages: Vec<&LockedApk> = pin.packages.iter().collect();
    // The largest first: they take longest to decompress.
    packages.sort_by_key(|package| std::cmp::Reverse(package.size));
    let jobs: Vec<Job> = packages.iter().map(|package| job(package, mirrors)).collect();
    let bytes = jobs.iter().map(|job| job.size).sum();
    reporter.begin(Phase::Download, Some(bytes), Unit::Bytes);
    let unpacked = Mutex::new(Vec::new());
    let each = |index: usize, file: Blob| {
        let locked = packages[index];
        let mut contents = unpack::unpack(&file, &locked.path, store)?;
        contents.package.check(&locked.path, &locked.checksum)?;
        contents.package.check_name(&locked.path, &locked.name, &locked.version)?;
        let from = pin.repositories.iter().find(|repository| repository.id == locked.repository);
        contents.tag = from.and_then(|repository| repository.tag.clone());
        unpacked.lock().expect("no thread panics while it holds the packages").push(contents);
        Ok::<_, ApkError>(())
    };
    context.http.download_all(&jobs, store, &|bytes| reporter.advance(Phase::Download, bytes), each)?;
    reporter.end(Phase::Download, &format!("{}, {:.1} MB", counted(jobs.len(), "package"), bytes as f64 / 1e6));
    let mut unpacked = unpacked.into_inner().expect("no thread panics while it holds the packages");
    unpacked.sort_by(|left, right| left.name().cmp(right.name()));
    Ok(unpacked)
}

fn job(package: &LockedApk, mirrors: &Mirrors) -> Job {
    let addresses = mirrors.get(&package.repository).into_iter().flatten();
    Job {
        what: format!("{} {} ({})", package.name, package.version, package.architecture),
        candidates: addresses.map(|mirror| address_in(mirror, &package.path)).collect(),
        digest: package.sha256,
        size: package.size,
    }
}
