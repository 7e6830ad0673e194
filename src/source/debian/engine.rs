//! The engines mmdebstrap and debootstrap: programs of the host that install exactly the locked packages.
//!
//! They get an archive of these packages alone, in a folder, so that what they install is what the lock says; what they
//! leave becomes a tree, as all else. Their programs see the host's clock and name: what differs for it between two
//! builds, the passes take away.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::InstallError;
use super::debconf::{self, Answers};
use super::unpack::Candidate;
use crate::archive::{self, Applier, Apply, Duplicates, Limits};
use crate::context::Context;
use crate::digest::Digest;
use crate::epoch::Epoch;
use crate::lock::{DebianPin, Installer};
use crate::recipe::DebconfAnswer;
use crate::sandbox::{run_host_program, run_host_program_in};
use crate::tree::{Inode, Origin, Tree, TreePath};

/// What the engines write that tells of this machine, or of the archive in the folder.
const LEFTOVERS: [&str; 8] = [
    "etc/apt/apt.conf.d/99mmdebstrap",
    "etc/apt/sources.list",
    "etc/apt/sources.list.d",
    "etc/hostname",
    "etc/resolv.conf",
    "var/cache/apt/archives",
    "var/lib/apt/lists",
    "var/log/bootstrap.log",
];
/// Those of them that are folders, which stay.
const FOLDERS: [&str; 4] =
    ["etc/apt/sources.list.d", "var/cache/apt/archives/partial", "var/lib/apt/lists/partial", "var/log/apt"];

/// Where the engines find programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Installs all of `candidates` by the engine of `pin`.
pub(super) fn install(
    candidates: &[Candidate],
    pin: &DebianPin,
    answers: &[DebconfAnswer],
    epoch: Epoch,
    context: &Context,
) -> Result<Tree, InstallError> {
    let engine = pin.installer.name();
    Answers::of(answers, candidates.iter().map(|candidate| &candidate.unpacked), epoch)?;
    let failed = |reason: String| InstallError::Engine { engine, reason };
    run_host_program(engine, &["--version".into()]).map_err(|reason| InstallError::NoEngine { engine, reason })?;
    let store = &context.store;
    let folder = tempfile::Builder::new()
        .prefix("engine-")
        .permissions(fs::Permissions::from_mode(0o755))
        .tempdir_in(store.ground())
        .map_err(|source| store.cannot("make a folder", source))?;
    let at = |name: &str| folder.path().join(name);
    write_archive(&at("archive"), candidates, pin, epoch).map_err(|source| store.cannot("write an archive", source))?;
    let environment = [
        ("PATH", PATH.into()),
        ("HOME", "/root".into()),
        ("LC_ALL", "C.UTF-8".into()),
        ("SOURCE_DATE_EPOCH", epoch.seconds().to_string().into()),
        ("TMPDIR", folder.path().into()),
    ];
    let run =
        |program: &str, arguments: &[OsString]| run_host_program_in(program, arguments, &environment).map_err(failed);
    let tar = at("root.tar");
    let answered = (!answers.is_empty()).then(|| at("answers"));
    if let Some(file) = &answered {
        fs::write(file, debconf::text(answers)).map_err(|source| store.cannot("write answers", source))?;
    }
    match pin.installer {
        Installer::Debootstrap => {
            // In mount points of its own, so that nothing stays mounted however it ends.
            run("unshare", &debootstrap(candidates, pin, &at("archive"), &at("root")))?;
            let pack = ["--numeric-owner", "--xattrs", "--one-file-system", "-C"].map(OsString::from);
            let pack = pack.into_iter().chain([at("root").into(), "-cf".into(), tar.clone().into(), ".".into()]);
            run("tar", &pack.collect::<Vec<_>>())?;
        }
        _ => run("mmdebstrap", &mmdebstrap(candidates, pin, &at("archive"), &tar, answered.as_deref()))?,
    }
    let mut tree = read(&tar, engine, context)?;
    for path in LEFTOVERS {
        tree.remove(&TreePath::literal(path)).map_err(misplaced)?;
    }
    // In containers debootstrap makes a link of /proc, and devices in /dev.
    for path in ["dev", "proc", "sys"].map(TreePath::literal) {
        tree.remove(&path).map_err(misplaced)?;
        let inode = Inode::directory(0o755, Origin::Source(engine.into())).at(epoch);
        tree.insert(path, inode).map_err(misplaced)?;
    }
    for path in FOLDERS {
        let inode = Inode::directory(0o755, Origin::Source(engine.into())).at(epoch);
        tree.insert_with_parents(TreePath::literal(path), inode).map_err(misplaced)?;
    }
    Ok(tree)
}

fn misplaced(source: crate::tree::TreeError) -> InstallError {
    InstallError::Misplaced { package: "the engine".to_owned(), source }
}

/// Reads the tar through the store, where the tree's contents stay.
fn read(tar: &Path, engine: &str, context: &Context) -> Result<Tree, InstallError> {
    let store = &context.store;
    let mut writer = store.begin()?;
    File::open(tar)
        .and_then(|mut file| io::copy(&mut file, &mut writer))
        .map_err(|source| store.cannot("keep a root filesystem", source))?;
    let blob = writer.commit()?;
    let mut tree = Tree::new();
    let origin = Origin::Source(engine.into());
    let apply = Apply { follow_directory_links: false, duplicates: Duplicates::LastWins };
    let mut applier = Applier::new(&mut tree, apply, origin.clone());
    archive::read_tar_file(&blob.path, &origin, &Limits::default(), |item| {
        applier.put(item).map(drop).map_err(InstallError::from)
    })?;
    Ok(tree)
}

fn mmdebstrap(
    candidates: &[Candidate],
    pin: &DebianPin,
    archive: &Path,
    tar: &Path,
    answers: Option<&Path>,
) -> Vec<OsString> {
    let has_essential = candidates.iter().any(|candidate| candidate.essential);
    let mode = if nix::unistd::Uid::effective().is_root() { "root" } else { "unshare" };
    let mut command: Vec<OsString> = vec![
        format!("--mode={mode}").into(),
        format!("--variant={}", if has_essential { "essential" } else { "custom" }).into(),
        format!("--architectures={}", architectures(candidates, pin).join(",")).into(),
        "--format=tar".into(),
        // The archive may be readable for nobody else.
        "--aptopt=APT::Sandbox::User \"root\"".into(),
    ];
    command.push(format!("--include={}", names(candidates, pin).join(",")).into());
    if let Some(file) = answers {
        let quoted = file.to_string_lossy().replace('\'', r"'\''");
        command.push(format!("--essential-hook=chroot \"$1\" debconf-set-selections < '{quoted}'").into());
    }
    let source =
        os(&["deb [trusted=yes] copy://".as_ref(), archive.as_os_str(), format!(" {} main", pin.suite).as_ref()]);
    command.extend([pin.suite.clone().into(), tar.into(), source]);
    command
}

fn debootstrap(candidates: &[Candidate], pin: &DebianPin, archive: &Path, root: &Path) -> Vec<OsString> {
    let mut command: Vec<OsString> =
        ["--mount", "--", "debootstrap", "--variant=minbase", "--no-check-gpg"].map(OsString::from).to_vec();
    command.push("--no-resolve-deps".into());
    command.push(format!("--arch={}", pin.platform.architecture.debian_name()).into());
    command.push(format!("--include={}", names(candidates, pin).join(",")).into());
    command.extend([pin.suite.clone().into(), root.into(), os(&["file://".as_ref(), archive.as_os_str()])]);
    command
}

fn os(parts: &[&std::ffi::OsStr]) -> OsString {
    parts.iter().copied().collect()
}

/// The packages as apt takes them, those of another architecture with its name.
fn names(candidates: &[Candidate], pin: &DebianPin) -> Vec<String> {
    let native = pin.platform.architecture.debian_name();
    let name = |candidate: &Candidate| {
        let package = &candidate.unpacked;
        match package.architecture.as_str() {
            own if own == native || own == "all" => package.name.clone(),
            other => format!("{}:{other}", package.name),
        }
    };
    candidates.iter().map(name).collect()
}

/// The image's own architecture first.
fn architectures(candidates: &[Candidate], pin: &DebianPin) -> Vec<String> {
    let native = pin.platform.architecture.debian_name();
    let all: BTreeSet<&str> = candidates.iter().map(|candidate| candidate.unpacked.architecture.as_str()).collect();
    let others = all.into_iter().filter(|name| *name != native && *name != "all");
    std::iter::once(native).chain(others).map(str::to_owned).collect()
}

/// The control file of a package for the index. debootstrap follows dependencies by rules of its own, which do not always
/// lead to the locked packages: it is told outright which have to be there first.
fn control(candidate: &Candidate, installer: Installer) -> String {
    let text = candidate.unpacked.control.trim_end_matches('\n');
    if installer != Installer::Debootstrap {
        return text.to_owned();
    }
    let ranks = |line: &&str| ["Priority:", "Essential:"].iter().any(|field| line.starts_with(field));
    let rest: Vec<&str> = text.lines().filter(|line| !ranks(line)).collect();
    let rank = if candidate.essential { "Priority: required\nEssential: yes" } else { "Priority: optional" };
    format!("{}\n{rank}", rest.join("\n"))
}

/// Writes an archive of one suite and component that has just these packages.
fn write_archive(folder: &Path, candidates: &[Candidate], pin: &DebianPin, epoch: Epoch) -> io::Result<()> {
    let pool = folder.join("pool");
    fs::create_dir_all(&pool)?;
    let mut sums = String::new();
    for architecture in architectures(candidates, pin) {
        let mut index = String::new();
        for (number, candidate) in candidates.iter().enumerate() {
            let package = &candidate.unpacked;
            if ![architecture.as_str(), "all"].contains(&package.architecture.as_str()) {
                continue;
            }
            let file = format!("{}_{number}_{}.deb", package.name, package.architecture);
            if !pool.join(&file).exists() {
                // A local file's path may be relative to the current folder.
                symlink(std::path::absolute(&candidate.file.path)?, pool.join(&file))?;
            }
            let (size, digest) = (candidate.file.size, candidate.file.digest.hex());
            let control = control(candidate, pin.installer);
            index.push_str(&format!("{control}\nFilename: pool/{file}\nSize: {size}\nSHA256: {digest}\n\n"));
        }
        let path = format!("main/binary-{architecture}/Packages");
        let place = folder.join("dists").join(&pin.suite).join(&path);
        fs::create_dir_all(place.parent().unwrap_or(folder))?;
        fs::write(place, &index)?;
        sums.push_str(&format!(" {} {} {path}\n", Digest::of(index.as_bytes()).hex(), index.len()));
    }
    let suite = &pin.suite;
    let date = epoch.format("%a, %d %b %Y %H:%M:%S UTC").unwrap_or_default();
    let all = architectures(candidates, pin).join(" ");
    let release = format!(
        "Origin: rootsmith\nSuite: {suite}\nCodename: {suite}\nDate: {date}\nArchitectures: {all}\nComponents: main\n\
         SHA256:\n{sums}"
    );
    fs::write(folder.join("dists").join(suite).join("Release"), release)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::source::debian::unpack::Unpacked;
    use crate::store::Blob;

    #[test]
    fn local_files_with_relative_paths_are_in_the_archive() {
        let unpacked = Unpacked {
            name: "app".to_owned(),
            version: "1".to_owned(),
            architecture: "all".to_owned(),
            multi_arch: String::new(),
            control: "Package: app\n".to_owned(),
            members: Vec::new(),
            items: Vec::new(),
            list: Vec::new(),
            deferred: BTreeMap::new(),
            date: Epoch::default(),
            is_local: true,
        };
        // Tests run in the folder of the crate.
        let file = Blob { digest: Digest::of(b""), size: 0, path: Path::new("./Cargo.toml").into() };
        let candidate = Candidate { unpacked, file, essential: false, priority: "optional".to_owned() };
        let pin = DebianPin {
            platform: "linux/amd64".parse().unwrap(),
            distribution: "debian".to_owned(),
            suite: "trixie".to_owned(),
            repositories: Vec::new(),
            installer: Installer::Mmdebstrap,
            binaries: Vec::new(),
            slices: Vec::new(),
            packages: Vec::new(),
            sources: Vec::new(),
            keyrings: Vec::new(),
        };
        let folder = tempfile::tempdir().unwrap();
        write_archive(folder.path(), &[candidate], &pin, Epoch::default()).unwrap();
        let there = fs::read_to_string(folder.path().join("pool/app_0_all.deb")).unwrap();
        assert!(there.starts_with("[package]"), "{there}");
    }
}
