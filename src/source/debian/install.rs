//! Installing packages into a tree, in two stages.
//!
//! The first is the essential set, which has to be there before any script can run: its files and dpkg's database are
//! laid into the tree, the tree is put into the sandbox, its preinst scripts are run there, and one `dpkg --configure -a`
//! does the rest. The second is all others, in the order that apt would go: a package whose preinst has nothing to do on a
//! first installation is laid like those of the first stage, but for its configuration files, which dpkg puts in their
//! places when it configures the package; one whose preinst works, or whose files are to have other owners or modes than it
//! says, is unpacked by the image's own dpkg.

use std::collections::{BTreeMap, BTreeSet};
use std::thread::Scope;

use super::database::{self, in_database};
use super::debconf::Answers;
use super::essential;
use super::lay::Layout;
use super::order::{self, Step};
use super::preinst;
use super::scripts::{self, StandIns};
use super::surroundings::Surroundings;
use super::triggers::{self, Interest};
use super::unpack::{Candidate, Unpacked, listed, out_of_memory};
use super::{FetchError, InstallError};
use crate::epoch::Epoch;
use crate::report::Phase;
use crate::sandbox::{self, Session, Settings};
use crate::source::Foresee;
use crate::tree::{Content, Entry, Inode, Origin, Tree, TreePath};

/// Where .debs are put for the image's dpkg, for a moment.
const PARCELS: &str = "var/cache/apt/archives/rootsmith";

/// Installs packages into a new tree: those of the first stage, and the `others` that are being unpacked meanwhile. As soon as
/// all are there, `foresee` is told what the tree will be like.
pub(super) fn install<'scope>(
    scope: &'scope Scope<'scope, '_>,
    first: Vec<Candidate>,
    others: impl FnOnce() -> Result<Option<Vec<Candidate>>, FetchError> + Send + 'scope,
    mut answers: Answers<'_>,
    foresee: Foresee<'scope>,
    around: &Surroundings<'_>,
) -> Result<Tree, FetchError> {
    let epoch = around.epoch;
    let mut layout = Layout::new(skeleton(around)?);
    let mut first: Vec<Unpacked> = first.into_iter().map(|candidate| candidate.unpacked).collect();
    // The package that owns the root's directories goes first, so that their modes are those it ships.
    first.sort_by_cached_key(|package| {
        let (name, architecture) = package.key();
        (name != "base-files", name != "base-passwd", name.to_owned(), architecture.to_owned())
    });
    for package in &mut first {
        layout.lay(package)?;
    }
    let guess = layout.clone();
    let others = scope.spawn(move || {
        let others = others()?;
        if let Some(others) = &others {
            foresee(foreseen(guess, others, epoch), epoch);
        }
        Ok::<_, FetchError>(others)
    });
    take_from_lists(&mut first, std::mem::take(&mut layout.taken));
    write_database(&mut layout, &first, &Existing::default(), around)?;
    let stand_ins = StandIns::put(&mut layout.tree, around.makes_locales);

    let settings = Settings {
        folder: around.store.ground(),
        network: false,
        expected_size: around.installed_size,
        emulator: around.emulator.clone(),
    };
    let mut session = around.sandbox.start(&settings).map_err(InstallError::from)?;
    tracing::debug!("the sandbox is {}", session.door());
    if let Err(error) = essential::configure(&first, &layout.tree, &mut answers, &mut session, around) {
        // What went wrong with the others by then may be why.
        return Err(match others.is_finished().then(|| others.join()) {
            Some(Ok(Err(earlier))) => earlier,
            _ => error.into(),
        });
    }
    around.reporter.advance(Phase::Configure, first.len() as u64);

    let second = others.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    let second = second.expect("it ends early where the first stage fails, or a thread panics");
    if second.is_empty() {
        drop((layout, first));
    } else {
        layout.defers = true;
        Second { layout, session: &mut session, around, answers }.install(second, first)?;
    }
    let mut tree = session.collect(around.store).map_err(InstallError::from)?;
    stand_ins.take_out(&mut tree);
    Ok(tree)
}

/// The tree that installing `others` after what is laid will give, but for what their scripts do and for what is in dpkg's database.
fn foreseen(mut layout: Layout, others: &[Candidate], epoch: Epoch) -> Tree {
    for candidate in others {
        // Packages that are in each other's way are for installing to complain about.
        let _ = layout.lay(&mut candidate.unpacked.clone());
    }
    let mut tree = layout.tree;
    for inode in tree.inodes_where(Inode::is_directory) {
        // As directories come back from the stage.
        inode.meta.mtime = epoch.seconds();
    }
    tree.compact();
    tree
}

/// The second stage.
struct Second<'a> {
    layout: Layout,
    session: &'a mut Session,
    around: &'a Surroundings<'a>,
    answers: Answers<'a>,
}

impl Second<'_> {
    fn install(mut self, candidates: Vec<Candidate>, installed: Vec<Unpacked>) -> Result<(), InstallError> {
        let count = candidates.len() as u64;
        let plan = order::plan(candidates, &installed)?;
        drop(installed);
        for step in plan {
            match step {
                Step::Unpack(candidates) => self.unpack(candidates)?,
                // What is in a circle of dependencies cannot be configured yet, and waits for the end.
                Step::Configure(names) => {
                    self.answer()?;
                    self.session.run_to_end(&self.dpkg("--configure", &names))?;
                }
            }
        }
        self.answer()?;
        let Self { layout, session, around, .. } = self;
        // The programs of large sets can use its memory.
        drop(layout);
        session.run(&scripts::step(&["dpkg", "--configure", "-a"], around.epoch))?;
        around.reporter.advance(Phase::Configure, count);
        Ok(())
    }

    /// Gives the recipe's answers where debconf came in this stage. It is configured for that before all others.
    fn answer(&mut self) -> Result<(), InstallError> {
        if self.answers.are_due(&self.layout.tree) {
            let names: Vec<String> = self.answers.package.iter().cloned().collect();
            self.session.run_to_end(&self.dpkg("--configure", &names))?;
            self.answers.give(&self.layout.tree, self.session)?;
        }
        Ok(())
    }

    /// Unpacks packages one after another; neighbours of one kind together.
    fn unpack(&mut self, candidates: Vec<Candidate>) -> Result<(), InstallError> {
        let mut candidates = candidates.into_iter().peekable();
        while candidates.peek().is_some() {
            let overridden = self.overridden()?;
            let is_for_dpkg = |candidate: &Candidate| {
                let package = &candidate.unpacked;
                preinst::works(package.member("preinst")) || package.list.iter().any(|path| overridden.contains(path))
            };
            let mut run = Vec::new();
            let mut theirs = None;
            while let Some(next) =
                candidates.next_if(|next| *theirs.get_or_insert(is_for_dpkg(next)) == is_for_dpkg(next))
            {
                run.push(next);
            }
            if theirs == Some(true) { self.unpack_by_dpkg(run)? } else { self.unpack_ours(run)? }
        }
        Ok(())
    }

    fn unpack_ours(&mut self, candidates: Vec<Candidate>) -> Result<(), InstallError> {
        self.read_diversions()?;
        let mut packages: Vec<Unpacked> = candidates.into_iter().map(|candidate| candidate.unpacked).collect();
        let mut paths = Vec::new();
        for package in &mut packages {
            paths.append(&mut self.layout.lay(package)?);
        }
        let mut existing = Existing::read(self.session, &packages)?;
        existing.read_losers(self.session, &mut packages, std::mem::take(&mut self.layout.taken))?;
        paths.append(&mut write_database(&mut self.layout, &packages, &existing, self.around)?);
        let paths = with_folders(paths);
        let waiting = |path: &TreePath| Some((path.clone(), dpkg_new(path)?));
        let waiting: BTreeMap<TreePath, TreePath> =
            packages.iter().flat_map(|package| package.deferred.values()).filter_map(waiting).collect();
        // Both are in the order of paths.
        let mut wanted = paths.iter().peekable();
        let entries = self.layout.tree.entries().filter(|entry| {
            while wanted.next_if(|path| *path < entry.path).is_some() {}
            wanted.next_if(|path| *path == entry.path).is_some()
        });
        self.session
            .put(entries.map(|entry| Entry { path: waiting.get(entry.path).unwrap_or(entry.path), ..entry }))?;
        Ok(())
    }

    fn unpack_by_dpkg(&mut self, candidates: Vec<Candidate>) -> Result<(), InstallError> {
        let mut tree = Tree::new();
        let mut parcels = Vec::new();
        for (number, candidate) in candidates.iter().enumerate() {
            let parcel = format!("{PARCELS}/{number}.deb");
            let file = &candidate.file;
            let content = Content::Slice { path: file.path.clone(), offset: 0, size: file.size };
            let misplaced = |source| InstallError::Misplaced { package: candidate.unpacked.name.clone(), source };
            let path = TreePath::new(&parcel).expect("a folder and a number");
            tree.insert_with_parents(path, Inode::file(0o644, content, Origin::Sandbox)).map_err(misplaced)?;
            parcels.push(format!("/{parcel}"));
        }
        self.session.put(tree.entries())?;
        self.session.run(&self.dpkg("--unpack", &parcels))?;
        self.session.run(&scripts::step(&["rm", "-r", &format!("/{PARCELS}")], self.around.epoch))?;
        // So that packages after these know whose the files are. What was put into the stage already is not put again.
        self.read_diversions()?;
        for mut candidate in candidates {
            self.layout.lay(&mut candidate.unpacked)?;
        }
        self.layout.taken.clear();
        Ok(())
    }

    /// A run of dpkg as apt's are before the end: triggers wait.
    fn dpkg(&self, action: &str, what: &[String]) -> sandbox::Step {
        let mut command = vec!["dpkg", "--no-triggers", action];
        command.extend(what.iter().map(String::as_str));
        scripts::step(&command, self.around.epoch)
    }

    /// The paths for which dpkg has been told another owner or mode (dpkg-statoverride(1)), as it lists them.
    fn overridden(&mut self) -> Result<BTreeSet<TreePath>, InstallError> {
        let overrides = self.session.read(&in_database("statoverride"))?.unwrap_or_default();
        let lines = overrides.split(|byte| *byte == b'\n');
        // Owner, group, mode, and the path to the end of the line.
        let path = |line: &[u8]| TreePath::new(line.splitn(4, |byte| *byte == b' ').nth(3)?).ok();
        Ok(lines.filter_map(path).collect())
    }

    fn read_diversions(&mut self) -> Result<(), InstallError> {
        let diversions = self.session.read(&in_database("diversions"))?.unwrap_or_default();
        self.layout.divert(&String::from_utf8_lossy(&diversions))
    }
}

/// What of dpkg's database is there before packages are added to it.
#[derive(Default)]
struct Existing {
    status: Vec<u8>,
    triggers: BTreeMap<String, Vec<u8>>,
    /// The lists of files of packages that have lost some, without these.
    lists: BTreeMap<String, Vec<u8>>,
}

impl Existing {
    /// Reads what adding `packages` changes.
    fn read(session: &mut Session, packages: &[Unpacked]) -> Result<Self, InstallError> {
        let mut existing =
            Self { status: session.read(&in_database("status"))?.unwrap_or_default(), ..Self::default() };
        let interests: Vec<Interest> = packages.iter().flat_map(triggers::interests).collect();
        let also = [triggers::FILE, triggers::UNINCORPORATED].map(str::to_owned);
        for file in interests.iter().map(Interest::file).chain(also) {
            let bytes = session.read(&in_database(&file))?.unwrap_or_default();
            existing.triggers.insert(file, bytes);
        }
        Ok(existing)
    }

    /// Takes files that now belong to other packages out of the lists of those that had them: of `packages`, or of those
    /// in the stage.
    fn read_losers(
        &mut self,
        session: &mut Session,
        packages: &mut [Unpacked],
        taken: Vec<(String, TreePath)>,
    ) -> Result<(), InstallError> {
        for (loser, path) in take_from_lists(packages, taken) {
            let file = format!("info/{loser}.list");
            let list = match self.lists.remove(&file) {
                Some(list) => list,
                None => session.read(&in_database(&file))?.unwrap_or_default(),
            };
            let kept: Vec<&[u8]> = list.split_inclusive(|byte| *byte == b'\n').collect();
            let kept = kept.into_iter().filter(|line| line.strip_suffix(b"\n") != Some(&listed(&path)[..]));
            self.lists.insert(file, kept.collect::<Vec<_>>().concat());
        }
        Ok(())
    }
}

/// Takes lost files out of the lists of `packages`; gives those whose package is not among them.
fn take_from_lists(packages: &mut [Unpacked], taken: Vec<(String, TreePath)>) -> Vec<(String, TreePath)> {
    let mut others = Vec::new();
    for (loser, path) in taken {
        match packages.iter_mut().find(|package| package.database_name() == loser) {
            Some(package) => package.list.retain(|listed| *listed != path),
            None => others.push((loser, path)),
        }
    }
    others
}

/// The paths in their order, each once, and the folders that lead to them: those that no package ships were made in the tree
/// with what is in them.
fn with_folders(mut paths: Vec<TreePath>) -> Vec<TreePath> {
    paths.sort_unstable();
    paths.dedup();
    let mut folders = BTreeSet::new();
    for path in &paths {
        let mut above = path.parent();
        while let Some(folder) =
            above.filter(|folder| paths.binary_search(folder).is_err() && !folders.contains(folder))
        {
            above = folder.parent();
            folders.insert(folder);
        }
    }
    paths.extend(folders);
    paths.sort_unstable();
    paths
}

/// Adds `packages`, whose files are laid, to dpkg's database in the tree; gives the paths that it wrote.
fn write_database(
    layout: &mut Layout,
    packages: &[Unpacked],
    existing: &Existing,
    around: &Surroundings<'_>,
) -> Result<Vec<TreePath>, InstallError> {
    let (store, epoch) = (around.store, around.epoch);
    let mut files: BTreeMap<String, (u32, Content)> = BTreeMap::new();
    let mut status = existing.status.clone();
    for package in packages {
        let unread = |source| InstallError::Content { package: package.name.clone(), source };
        let stanza = database::stanza(package, &package.paragraph()?, &layout.tree).map_err(unread)?;
        status.extend_from_slice(stanza.as_bytes());
        let sums = package.lacks_md5sums().then(|| layout.md5sums(package)).transpose().map_err(unread)?;
        for (name, mode, content) in database::info_files(package, sums) {
            files.insert(format!("info/{name}"), (mode, out_of_memory(content, store)));
        }
    }
    files.insert("status".to_owned(), (0o644, Content::bytes(status)));
    files.extend(existing.lists.iter().map(|(name, list)| (name.clone(), (0o644, Content::bytes(list.as_slice())))));
    let mut triggers = existing.triggers.clone();
    let set_off = triggers.get(triggers::FILE).map(|watched| triggers::set_off(packages, watched)).unwrap_or_default();
    for interest in packages.iter().flat_map(triggers::interests) {
        triggers.entry(interest.file()).or_default().extend_from_slice(interest.line().as_bytes());
    }
    if !set_off.is_empty() {
        triggers.entry(triggers::UNINCORPORATED.to_owned()).or_default().extend_from_slice(set_off.as_bytes());
    }
    triggers.retain(|_, bytes| !bytes.is_empty());
    files.extend(triggers.into_iter().map(|(name, bytes)| (name, (0o644, Content::bytes(bytes)))));
    let (mut written, origin) = (Vec::new(), Origin::Source("debian".into()));
    for (name, (mode, content)) in files {
        let path = in_database(&name);
        let content = out_of_memory(content, store);
        let inode = Inode::file(mode, content, origin.clone()).at(epoch);
        let misplaced = |source| InstallError::Misplaced { package: "dpkg".to_owned(), source };
        layout.tree.insert_with_parents(path.clone(), inode).map_err(misplaced)?;
        written.push(path);
    }
    Ok(written)
}

/// Where a configuration file waits until its package is configured, unless that would be too long for a path.
fn dpkg_new(path: &TreePath) -> Option<TreePath> {
    TreePath::new([path.as_bytes(), b".dpkg-new"].concat()).ok()
}

/// What is there before any package: links of a merged /usr, folders that dpkg and apt expect, and files that nothing
/// ships (the same as mmdebstrap's).
fn skeleton(around: &Surroundings<'_>) -> Result<Tree, InstallError> {
    let mut tree = Tree::new();
    let origin = || Origin::Source("debian".into());
    let mut put = |path: &str, inode: Inode| {
        let misplaced = |source| InstallError::Misplaced { package: "the skeleton".to_owned(), source };
        tree.insert_with_parents(TreePath::new(path).expect("paths of the skeleton are paths"), inode)
            .map(drop)
            .map_err(misplaced)
    };
    if around.merged_usr {
        for name in merged(around.architecture) {
            put(&format!("usr/{name}"), Inode::directory(0o755, origin()))?;
            put(name, Inode::symlink(format!("usr/{name}"), origin()))?;
        }
    }
    for folder in FOLDERS {
        put(folder, Inode::directory(0o755, origin()))?;
    }
    put("tmp", Inode::directory(0o1777, origin()))?;
    let mut write = |path: &str, text: String| {
        put(path, Inode::file(0o644, Content::bytes(text.into_bytes()), origin()).at(around.epoch))
    };
    let architectures = std::iter::once(around.architecture).chain(around.foreign.iter().map(String::as_str));
    write("var/lib/dpkg/arch", architectures.map(|name| format!("{name}\n")).collect())?;
    write("var/lib/dpkg/info/format", "1\n".to_owned())?;
    write("etc/fstab", "# UNCONFIGURED FSTAB FOR BASE SYSTEM\n".to_owned())?;
    Ok(tree)
}

const FOLDERS: [&str; 10] = [
    "etc/apt/apt.conf.d",
    "etc/apt/preferences.d",
    "etc/apt/sources.list.d",
    "etc/dpkg/dpkg.cfg.d",
    "var/cache/apt/archives/partial",
    "var/lib/apt/lists/partial",
    "var/lib/dpkg/alternatives",
    "var/lib/dpkg/triggers",
    "var/lib/dpkg/updates",
    "var/log/apt",
];

/// Directories of the root that are links into /usr, by architecture.
pub(super) fn merged(architecture: &str) -> &'static [&'static str] {
    match architecture {
        "amd64" | "loong64" | "mips64el" | "ppc64" | "ppc64el" => &["bin", "lib", "lib64", "sbin"],
        _ => &["bin", "lib", "sbin"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_before_what_is_in_them() {
        let paths = |text: &str| text.split(' ').map(|path| TreePath::new(path).unwrap()).collect::<Vec<_>>();
        let root = |rest: &str| std::iter::once(TreePath::root()).chain(paths(rest)).collect::<Vec<_>>();
        assert_eq!(with_folders(paths("usr/lib/b etc/a usr/lib/b")), root("etc etc/a usr usr/lib usr/lib/b"));
        assert_eq!(with_folders(paths("a a/b/c")), root("a a/b a/b/c"));
        assert_eq!(with_folders(Vec::new()), []);
    }
}
