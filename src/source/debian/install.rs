//! Installing packages into a tree, in two stages.
//!
//! The first is the essential set, which has to be there before any script can run: its files and dpkg's database are
//! laid into the tree, the tree is put into the sandbox, its preinst scripts are run there, and one `dpkg --configure -a`
//! does the rest. The second is all others: a package whose preinst has nothing to do on a first installation is laid
//! like those of the first stage; one whose preinst works is unpacked by the image's own dpkg, after what it
//! pre-depends on.

use std::collections::{BTreeMap, BTreeSet};

use super::InstallError;
use super::database::{self, Interest};
use super::lay::Layout;
use super::scripts::{self, StandIns};
use super::unpack::{Candidate, Unpacked};
use super::{order, preinst};
use crate::epoch::Epoch;
use crate::report::{Phase, Reporter};
use crate::sandbox::{Sandbox, Session, Settings};
use crate::store::Store;
use crate::tree::{Content, Inode, Origin, Tree, TreePath};

/// Where dpkg keeps its database.
const DATABASE: &str = "var/lib/dpkg";

/// Where .debs are put for the image's dpkg, for a moment.
const PARCEL: &str = "var/cache/apt/archives/rootsmith.deb";

/// What installing needs of its surroundings.
pub(super) struct Surroundings<'a> {
    pub(super) sandbox: &'a Sandbox,
    pub(super) store: &'a Store,
    pub(super) reporter: &'a dyn Reporter,
    pub(super) epoch: Epoch,
    /// dpkg's name of the image's architecture.
    pub(super) architecture: &'a str,
    /// Whether `/bin` and the like are links into `/usr`.
    pub(super) merged_usr: bool,
}

/// Installs all of `candidates` into a new tree.
pub(super) fn install(candidates: Vec<Candidate>, around: &Surroundings<'_>) -> Result<Tree, InstallError> {
    let size = candidates.iter().map(|candidate| installed_size(&candidate.unpacked)).sum();
    let (first, second): (Vec<_>, Vec<_>) = candidates.into_iter().partition(|candidate| candidate.essential);
    let mut layout = Layout::new(skeleton(around)?);
    let mut first: Vec<Unpacked> = first.into_iter().map(|candidate| candidate.unpacked).collect();
    // The package that owns the root's directories goes first, so that their modes are those it ships.
    first.sort_by_key(|package| (package.name != "base-files", package.name != "base-passwd", package.name.clone()));
    for package in &mut first {
        layout.lay(package)?;
    }
    write_database(&mut layout, &first, &Existing::default(), around.epoch)?;
    let stand_ins = StandIns::put(&mut layout.tree);

    let settings = Settings { folder: around.store.temporary(), network: false, expected_size: size };
    let mut session = around.sandbox.start(&settings)?;
    tracing::debug!("the sandbox is {}", session.door());
    session.put(layout.tree.entries())?;
    run_preinsts(&first, &mut session, around)?;
    session.run(&scripts::step(&["dpkg", "--configure", "-a"], around.epoch))?;
    around.reporter.advance(Phase::Configure, first.len() as u64);

    if !second.is_empty() {
        Second { layout: &mut layout, session: &mut session, around }.install(second)?;
    }
    let mut tree = session.collect(around.store)?;
    stand_ins.take_out(&mut tree);
    Ok(tree)
}

/// Runs the preinst scripts of packages that are unpacked already, each from where dpkg runs it, with the package's other
/// control files beside it: debconf reads the package's name and questions there.
fn run_preinsts(packages: &[Unpacked], session: &mut Session, around: &Surroundings<'_>) -> Result<(), InstallError> {
    for package in packages {
        if package.member("preinst").is_none() {
            continue;
        }
        let mut tree = Tree::new();
        for member in &package.members {
            let inode = Inode::file(member.mode, Content::bytes(member.bytes.as_slice()), Origin::Sandbox);
            let misplaced = |source| InstallError::Misplaced { package: package.name.clone(), source };
            tree.insert_with_parents(in_database(&format!("tmp.ci/{}", member.name)), inode).map_err(misplaced)?;
        }
        session.put(tree.entries())?;
        session.run(&scripts::preinst(&package.name, &package.architecture, around.epoch))?;
        session.run(&scripts::step(&["rm", "-r", "/var/lib/dpkg/tmp.ci"], around.epoch))?;
    }
    Ok(())
}

/// The second stage.
struct Second<'a> {
    layout: &'a mut Layout,
    session: &'a mut Session,
    around: &'a Surroundings<'a>,
}

impl Second<'_> {
    fn install(&mut self, candidates: Vec<Candidate>) -> Result<(), InstallError> {
        if let Some(diversions) = self.session.read(&in_database("diversions"))? {
            self.layout.divert(&String::from_utf8_lossy(&diversions));
        }
        let count = candidates.len() as u64;
        for batch in order::batches(candidates)? {
            self.unpack(batch)?;
        }
        self.session.run(&scripts::step(&["dpkg", "--configure", "-a"], self.around.epoch))?;
        self.around.reporter.advance(Phase::Configure, count);
        Ok(())
    }

    /// Unpacks packages that pre-depend on nothing unpacked with or after them.
    fn unpack(&mut self, batch: Vec<Candidate>) -> Result<(), InstallError> {
        let works = |candidate: &Candidate| preinst::works(candidate.unpacked.member("preinst"));
        let (theirs, ours): (Vec<_>, Vec<_>) = batch.into_iter().partition(works);
        self.unpack_ours(ours)?;
        if theirs.is_empty() {
            return Ok(());
        }
        // Their scripts may use what they pre-depend on; what cannot be configured yet waits for the end.
        self.session.run_to_end(&scripts::step(&["dpkg", "--configure", "-a"], self.around.epoch))?;
        for candidate in theirs {
            self.unpack_by_dpkg(candidate)?;
        }
        Ok(())
    }

    fn unpack_ours(&mut self, candidates: Vec<Candidate>) -> Result<(), InstallError> {
        let mut packages: Vec<Unpacked> = candidates.into_iter().map(|candidate| candidate.unpacked).collect();
        if packages.is_empty() {
            return Ok(());
        }
        let mut paths = BTreeSet::new();
        for package in &mut packages {
            paths.append(&mut self.layout.lay(package)?);
        }
        let existing = Existing::read(self.session, &packages)?;
        paths.append(&mut write_database(self.layout, &packages, &existing, self.around.epoch)?);
        let wanted = |path: &TreePath| paths.contains(path);
        self.session.put(self.layout.tree.entries().filter(|entry| wanted(entry.path)))?;
        Ok(())
    }

    fn unpack_by_dpkg(&mut self, candidate: Candidate) -> Result<(), InstallError> {
        let mut tree = Tree::new();
        let content = Content::Slice { path: candidate.file.path, offset: 0, size: candidate.file.size };
        let parcel = TreePath::literal(PARCEL);
        let misplaced = |source| InstallError::Misplaced { package: candidate.unpacked.name.clone(), source };
        tree.insert_with_parents(parcel, Inode::file(0o644, content, Origin::Sandbox)).map_err(misplaced)?;
        self.session.put(tree.entries())?;
        let parcel = format!("/{PARCEL}");
        self.session.run(&scripts::step(&["dpkg", "--unpack", &parcel], self.around.epoch))?;
        self.session.run(&scripts::step(&["rm", &parcel], self.around.epoch))?;
        Ok(())
    }
}

/// What of dpkg's database is there before packages are added to it.
#[derive(Default)]
struct Existing {
    status: Vec<u8>,
    triggers: BTreeMap<String, Vec<u8>>,
}

impl Existing {
    /// Reads what adding `packages` changes.
    fn read(session: &mut Session, packages: &[Unpacked]) -> Result<Self, InstallError> {
        let mut existing =
            Self { status: session.read(&in_database("status"))?.unwrap_or_default(), ..Self::default() };
        for interest in packages.iter().flat_map(database::interests) {
            let file = trigger_file(&interest);
            let bytes = session.read(&in_database(&file))?.unwrap_or_default();
            existing.triggers.insert(file, bytes);
        }
        Ok(existing)
    }
}

/// Adds `packages`, whose files are laid, to dpkg's database in the tree; gives the paths that it wrote.
fn write_database(
    layout: &mut Layout,
    packages: &[Unpacked],
    existing: &Existing,
    epoch: Epoch,
) -> Result<BTreeSet<TreePath>, InstallError> {
    let mut files: BTreeMap<String, (u32, Vec<u8>)> = BTreeMap::new();
    let mut status = existing.status.clone();
    for package in packages {
        let unread = |source| InstallError::Content { package: package.name.clone(), source };
        let stanza = database::stanza(package, &package.paragraph()?, &layout.tree).map_err(unread)?;
        status.extend_from_slice(stanza.as_bytes());
        for (name, mode, bytes) in database::info_files(package) {
            files.insert(format!("info/{name}"), (mode, bytes));
        }
    }
    files.insert("status".to_owned(), (0o644, status));
    let mut triggers = existing.triggers.clone();
    for interest in packages.iter().flat_map(database::interests) {
        let file = trigger_file(&interest);
        let line = if file == "triggers/File" {
            format!("{} {}\n", interest.trigger, interest.watcher)
        } else {
            format!("{}\n", interest.watcher)
        };
        triggers.entry(file).or_default().extend_from_slice(line.as_bytes());
    }
    files.extend(triggers.into_iter().map(|(name, bytes)| (name, (0o644, bytes))));
    let mut written = BTreeSet::new();
    for (name, (mode, bytes)) in files {
        let path = in_database(&name);
        let inode = Inode::file(mode, Content::bytes(bytes), Origin::Source("debian".into())).at(epoch);
        let misplaced = |source| InstallError::Misplaced { package: "dpkg".to_owned(), source };
        layout.tree.insert_with_parents(path.clone(), inode).map_err(misplaced)?;
        written.insert(path);
    }
    Ok(written)
}

/// The file of the database that an interest is noted in.
fn trigger_file(interest: &Interest) -> String {
    if interest.trigger.starts_with('/') { "triggers/File".into() } else { format!("triggers/{}", interest.trigger) }
}

fn in_database(name: &str) -> TreePath {
    TreePath::new(format!("{DATABASE}/{name}")).expect("names in the database are names of packages and triggers")
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
    write("var/lib/dpkg/arch", format!("{}\n", around.architecture))?;
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
fn merged(architecture: &str) -> &'static [&'static str] {
    match architecture {
        "amd64" | "loong64" | "mips64el" | "ppc64" | "ppc64el" => &["bin", "lib", "lib64", "sbin"],
        _ => &["bin", "lib", "sbin"],
    }
}

/// Bytes that a package takes, from its control file.
fn installed_size(package: &Unpacked) -> u64 {
    let field = package.paragraph().ok().and_then(|control| control.field("Installed-Size"));
    field.and_then(|value| value.raw().parse::<u64>().ok()).unwrap_or(0) * 1024
}
