//! Packages between the archive and the tree: downloaded, and unpacked by several threads.
//!
//! Those of the first stage come first, so that installing can begin with them while threads unpack the others. What is said of all
//! packages together, such as the newest date, stands in their control parts, which are read as soon as each is there.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope};

use super::unpack::{self, Candidate, Opened, Unpacked};
use super::{Drops, FetchError, InstallError, Mirrors};
use crate::context::Context;
use crate::epoch::Epoch;
use crate::http::{Job, address_in};
use crate::lock::{DebianPin, LockedPackage};
use crate::report::{Phase, Unit, counted};
use crate::store::{Blob, Store};

/// The packages of a pin, on their way.
pub(super) struct Unpacking<'a> {
    pub(super) pin: &'a DebianPin,
    pub(super) drops: Drops<'a>,
    store: &'a Store,
    /// In the order in which they are wanted.
    packages: Vec<&'a LockedPackage>,
    state: Mutex<State>,
    changed: Condvar,
}

/// Which packages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// Those of the first stage.
    First,
    /// All that there are.
    All,
}

/// What the control parts of all packages say together.
#[derive(Clone, Debug, Default)]
pub(super) struct Outline {
    /// The newest of their dates.
    pub(super) newest: Option<Epoch>,
    /// Their architectures: dpkg's names, and `all`.
    pub(super) architectures: BTreeSet<String>,
    /// Bytes that they take when installed.
    pub(super) installed_size: u64,
    /// Whether locales are made by one of them: `locales`, `locales-all`.
    pub(super) makes_locales: bool,
}

impl Outline {
    /// Takes in one more package.
    pub(super) fn add(&mut self, package: &Unpacked) {
        self.newest = self.newest.max(Some(package.date));
        self.architectures.insert(package.architecture.clone());
        self.installed_size = self.installed_size.saturating_add(package.installed_size());
        self.makes_locales |= package.name.starts_with("locales");
    }
}

struct State {
    /// Where each package is.
    places: Vec<Place>,
    outline: Outline,
    /// Whether the first stage was given out, whose scripts want a processor.
    is_installing: bool,
    /// What went wrong first.
    failure: Option<FetchError>,
    /// Whether nobody waits for more.
    is_over: bool,
}

enum Place {
    /// Not downloaded yet.
    Away,
    /// In the store.
    Here(Box<Opened>, Blob),
    /// With a thread that unpacks it.
    InWork,
    /// Unpacked.
    Done(Box<Candidate>),
    /// Given out.
    Taken,
}

/// Ends the threads' work when it is dropped.
pub(super) struct Ending<'a>(&'a Unpacking<'a>);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.state().is_over = true;
        self.0.changed.notify_all();
    }
}

impl<'a> Unpacking<'a> {
    /// Nothing is done before [`Unpacking::start`] and [`Unpacking::download`].
    pub(super) fn new(pin: &'a DebianPin, drops: Drops<'a>, store: &'a Store) -> Self {
        // The largest first: they take longest to decompress.
        let mut packages: Vec<&LockedPackage> = pin.packages.iter().collect();
        packages.sort_by_key(|package| (!package.essential, std::cmp::Reverse(package.size)));
        let state = State {
            places: packages.iter().map(|_| Place::Away).collect(),
            outline: Outline::default(),
            is_installing: false,
            failure: None,
            is_over: false,
        };
        Self { pin, drops, store, packages, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Starts the threads that unpack. They end with what is returned, if not before.
    pub(super) fn start<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) -> Ending<'scope> {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..processors.min(MOST_THREADS).min(self.packages.len()) {
            scope.spawn(move || {
                // A thread that panics ends the others, and so those who wait for it.
                let ending = Ending(self);
                self.work();
                std::mem::forget(ending);
            });
        }
        Ending(self)
    }

    /// Downloads the packages that the store lacks, and waits until those of `until` are unpacked.
    pub(super) fn download(&self, until: Which, mirrors: &Mirrors, context: &Context) -> Result<(), FetchError> {
        let reporter = &*context.reporter;
        let jobs: Vec<Job> = self.packages.iter().map(|package| job(package, mirrors)).collect();
        let bytes = jobs.iter().map(|job| job.size).sum();
        reporter.begin(Phase::Download, Some(bytes), Unit::Bytes);
        let each = |index: usize, file: Blob| {
            let package = self.packages[index];
            let opened = unpack::open(&file, self.store).map_err(|error| named(package, error))?;
            check(package, &opened.unpacked)?;
            self.add(index, opened, file)
        };
        let on_bytes = |bytes| reporter.advance(Phase::Download, bytes);
        let downloaded = context.http.download_all(&jobs, self.store, &on_bytes, each);
        // What went wrong first is told.
        if let Some(failure) = self.state().failure.take() {
            return Err(failure);
        }
        downloaded?;
        drop(self.wait(until)?);
        reporter.end(Phase::Download, &format!("{}, {:.1} MB", counted(jobs.len(), "package"), bytes as f64 / 1e6));
        Ok(())
    }

    /// What is known of all packages once they are downloaded.
    pub(super) fn outline(&self) -> Outline {
        self.state().outline.clone()
    }

    /// Gives out packages as soon as they are unpacked, of those that were not given out before; nothing where the [`Ending`] came
    /// first.
    pub(super) fn take(&self, which: Which) -> Result<Option<Vec<Candidate>>, FetchError> {
        let Some(mut state) = self.wait(which)? else { return Ok(None) };
        let mut taken = Vec::new();
        for (place, package) in state.places.iter_mut().zip(&self.packages) {
            if matches!(place, Place::Done(_))
                && which.has(package)
                && let Place::Done(candidate) = std::mem::replace(place, Place::Taken)
            {
                taken.push(*candidate);
            }
        }
        state.is_installing = true;
        Ok(Some(taken))
    }

    /// A package was downloaded. What went wrong with another meanwhile ends the downloads with this one.
    fn add(&self, index: usize, opened: Opened, file: Blob) -> Result<(), FetchError> {
        let mut state = self.state();
        if let Some(failure) = state.failure.take() {
            return Err(failure);
        }
        state.outline.add(&opened.unpacked);
        state.places[index] = Place::Here(Box::new(opened), file);
        self.changed.notify_all();
        Ok(())
    }

    /// Waits until packages are unpacked; nothing where it ended before.
    fn wait(&self, which: Which) -> Result<Option<MutexGuard<'_, State>>, FetchError> {
        let mut state = self.state();
        loop {
            if let Some(failure) = state.failure.take() {
                return Err(failure);
            }
            let mut wanted = state.places.iter().zip(&self.packages).filter(|(_, package)| which.has(package));
            if wanted.all(|(place, _)| matches!(place, Place::Done(_) | Place::Taken)) {
                return Ok(Some(state));
            }
            if state.is_over {
                return Ok(None);
            }
            state = self.changed(state);
        }
    }

    /// Unpacks one package after another, as long as any may come.
    fn work(&self) {
        let mut gives_way = false;
        let mut state = self.state();
        while !state.is_over {
            if state.is_installing && !std::mem::replace(&mut gives_way, true) {
                // The scripts of the first stage run one after another: what they wait for is a processor.
                let _ = rustix::process::nice(GIVING_WAY);
            }
            if let Some((index, opened, file)) = state.next() {
                drop(state);
                let done = self.unpack(index, opened, file);
                state = self.state();
                match done {
                    Ok(candidate) => state.places[index] = Place::Done(Box::new(candidate)),
                    Err(error) => {
                        state.failure.get_or_insert(error);
                        state.is_over = true;
                    }
                }
                self.changed.notify_all();
            } else if state.places.iter().any(|place| matches!(place, Place::Away)) {
                state = self.changed(state);
            } else {
                return;
            }
        }
    }

    fn unpack(&self, index: usize, opened: Opened, file: Blob) -> Result<Candidate, FetchError> {
        let package = self.packages[index];
        let unpacked = opened.unpack(&file, self.store, self.drops).map_err(|error| named(package, error))?;
        let priority = package.priority.clone().unwrap_or_else(|| "optional".to_owned());
        Ok(Candidate { unpacked, file, essential: package.essential, priority })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change.
    fn changed<'s>(&self, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}

/// Each thread that decompresses may need 64 MiB.
const MOST_THREADS: usize = 8;

/// By how much nicer than others a thread is whose work is not waited for yet.
const GIVING_WAY: i32 = 5;

impl State {
    /// The next package to unpack.
    fn next(&mut self) -> Option<(usize, Opened, Blob)> {
        let index = self.places.iter().position(|place| matches!(place, Place::Here(..)))?;
        match std::mem::replace(&mut self.places[index], Place::InWork) {
            Place::Here(opened, file) => Some((index, *opened, file)),
            _ => None,
        }
    }
}

impl Which {
    fn has(self, package: &LockedPackage) -> bool {
        self == Self::All || package.essential
    }
}

/// What downloads a locked package.
pub(super) fn job(package: &LockedPackage, mirrors: &Mirrors) -> Job {
    let addresses = mirrors.get(&package.repository).into_iter().flatten();
    Job {
        what: format!("{} {} ({})", package.name, package.version, package.architecture),
        candidates: addresses.map(|mirror| address_in(mirror, &package.path)).collect(),
        digest: package.sha256,
        size: package.size,
    }
}

/// The error of a package, which knows no more than its place in the store, with the package's name.
fn named(package: &LockedPackage, error: InstallError) -> FetchError {
    match error {
        InstallError::File(source) => FetchError::Package {
            package: format!("{} {} ({})", package.name, package.version, package.architecture),
            path: package.path.clone(),
            source,
        },
        other => other.into(),
    }
}

/// What is in a .deb is what the lock calls it.
fn check(locked: &LockedPackage, found: &Unpacked) -> Result<(), FetchError> {
    let names = (&found.name, &found.version, &found.architecture);
    if names == (&locked.name, &locked.version, &locked.architecture) {
        return Ok(());
    }
    Err(FetchError::OtherPackage {
        expected: format!("{} {} ({})", locked.name, locked.version, locked.architecture),
        found: format!("{} {} ({})", found.name, found.version, found.architecture),
        path: locked.path.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A .deb whose data part is `data`.
    fn deb(name: &str, date: u64, data: &[u8]) -> Vec<u8> {
        let control = format!("Package: {name}\nVersion: 1\nArchitecture: all\nInstalled-Size: 2\nDescription: x\n");
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(control.len() as u64);
        tar.append_data(&mut header, "control", control.as_bytes()).unwrap();
        let mut archive = ar::Builder::new(Vec::new());
        let tar = tar.into_inner().unwrap();
        for (name, bytes) in [("debian-binary", &b"2.0\n"[..]), ("control.tar", &tar), ("data.tar", data)] {
            let mut header = ar::Header::new(name.as_bytes().to_vec(), bytes.len() as u64);
            header.set_mtime(date);
            archive.append(&header, bytes).unwrap();
        }
        archive.into_inner().unwrap()
    }

    /// Nothing but its end.
    fn empty() -> Vec<u8> {
        vec![0; 1024]
    }

    /// Unpacks packages, of which those with a capital letter are essential, and gives `then` the rest of the work: what was not
    /// added is still on its way.
    fn unpacking<T>(debs: &[(&str, Vec<u8>)], then: impl FnOnce(&Unpacking<'_>, &dyn Fn(&str)) -> T) -> T {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let blobs: Vec<Blob> = debs.iter().map(|(_, bytes)| store.put(bytes).unwrap()).collect();
        let packages = debs.iter().zip(&blobs).map(|((name, _), blob)| LockedPackage {
            name: (*name).to_owned(),
            version: "1".to_owned(),
            architecture: "all".to_owned(),
            repository: "main".to_owned(),
            path: format!("pool/{name}.deb"),
            size: blob.size,
            sha256: blob.digest,
            essential: name.starts_with(char::is_uppercase),
            priority: None,
            automatic: false,
            security: false,
        });
        let pin = DebianPin {
            platform: "linux/amd64".parse().unwrap(),
            distribution: "debian".to_owned(),
            suite: "trixie".to_owned(),
            repositories: Vec::new(),
            installer: crate::lock::Installer::Native,
            binaries: Vec::new(),
            slices: Vec::new(),
            packages: packages.collect(),
            sources: Vec::new(),
            keyrings: Vec::new(),
        };
        let unpacking = Unpacking::new(&pin, &|_| false, &store);
        let add = |name: &str| {
            let index = unpacking.packages.iter().position(|package| package.name == name).unwrap();
            let blob = blobs.iter().find(|blob| blob.digest == unpacking.packages[index].sha256).unwrap();
            let opened = unpack::open(blob, &store).unwrap();
            unpacking.add(index, opened, blob.clone()).unwrap();
        };
        thread::scope(|scope| {
            let _ending = unpacking.start(scope);
            then(&unpacking, &add)
        })
    }

    fn names(candidates: Vec<Candidate>) -> Vec<String> {
        let mut names: Vec<String> = candidates.into_iter().map(|candidate| candidate.unpacked.name).collect();
        names.sort();
        names
    }

    #[test]
    fn the_first_stage_is_given_out_before_the_others_are_there() {
        let debs = [("A", deb("A", 3, &empty())), ("b", deb("b", 9, &empty())), ("c", deb("c", 5, &empty()))];
        unpacking(&debs, |unpacking, add| {
            add("A");
            assert_eq!(names(unpacking.take(Which::First).unwrap().unwrap()), ["A"]);
            add("b");
            add("c");
            assert_eq!(names(unpacking.take(Which::All).unwrap().unwrap()), ["b", "c"], "none twice");
            let outline = unpacking.outline();
            assert_eq!((outline.newest, outline.installed_size), (Some(Epoch::from_seconds(9)), 3 * 2048));
            assert!(outline.architectures.iter().eq(["all"]));
        });
    }

    #[test]
    fn what_goes_wrong_is_told_to_whoever_waits() {
        let debs = [("A", deb("A", 0, &empty())), ("b", deb("b", 0, b"\x1f\x8b no gzip"))];
        unpacking(&debs, |unpacking, add| {
            add("A");
            assert_eq!(names(unpacking.take(Which::First).unwrap().unwrap()), ["A"]);
            add("b");
            let error = unpacking.take(Which::All).err().unwrap();
            assert!(error.to_string().contains('b'), "{error}");
        });
    }

    #[test]
    fn who_waits_is_let_go_in_the_end() {
        unpacking(&[("A", deb("A", 0, &empty())), ("b", deb("b", 0, &empty()))], |unpacking, add| {
            add("A");
            thread::scope(|scope| {
                let waiting = scope.spawn(|| unpacking.take(Which::All).unwrap().is_none());
                drop(Ending(unpacking));
                assert!(waiting.join().unwrap());
            });
        });
    }
}
