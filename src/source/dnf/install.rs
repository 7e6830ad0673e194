//! The transaction: one call of rpm in the sandbox, with all packages.

use std::collections::BTreeSet;

use super::DnfError;
use super::host_rpm::{FOLDER, HostRpm, put};
use super::package_file::PackageFile;
use super::solver::module_file;
use super::users::{self, Made};
use crate::context::Context;
use crate::epoch::Epoch;
use crate::inventory::rpm::header::tag;
use crate::lock::{DnfPin, LockedRpm};
use crate::sandbox::{Emulator, Ended, Settings, Step};
use crate::store::Blob;
use crate::tree::{Content, Inode, Origin, Tree, TreePath};

/// The environment of rpm and of the scripts that it runs. Nothing of the host is in it. The last ones keep programs of
/// systemd and of kernels from doing what only a running machine needs; the first lets Debian's rpm install packages.
const ENVIRONMENT: [(&str, &str); 11] = [
    ("RPM_FORCE_DEBIAN", "1"),
    ("HOME", "/root"),
    ("LANG", "C.UTF-8"),
    ("LC_ALL", "C.UTF-8"),
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("PERL_HASH_SEED", "0"),
    ("PYTHONHASHSEED", "0"),
    ("TERM", "dumb"),
    ("KERNEL_INSTALL_BYPASS", "1"),
    ("SYSTEMD_HWDB_UPDATE_BYPASS", "1"),
    ("SYSTEMD_IN_CHROOT", "1"),
];

/// A package to install.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    name: String,
    file: Blob,
    installed_size: u64,
    /// When it was built, as it says.
    pub(super) built: Option<Epoch>,
}

impl Parcel {
    /// Reads what `package` says of itself, and checks that it is what the lock calls it.
    pub(super) fn read(package: &LockedRpm, file: Blob) -> Result<Self, DnfError> {
        let name = format!("{}-{}.{}", package.name, package.version.replace(':', "-"), package.architecture);
        let damaged = |reason| DnfError::Damaged { package: name.clone(), reason };
        let read = PackageFile::read(&file.path).map_err(damaged)?;
        read.check(package)?;
        let header = read.header();
        let built = header.number(tag::BUILDTIME).and_then(|time| i64::try_from(time).ok());
        let installed_size = header.installed_size();
        let name = name.replace('/', "_");
        Ok(Self { name, installed_size, built: built.map(Epoch::from_seconds), file })
    }
}

/// Installs `parcels` into an empty root filesystem.
pub(super) fn install(
    pin: &DnfPin,
    parcels: &[Parcel],
    rpm: &HostRpm,
    epoch: Epoch,
    context: &Context,
) -> Result<Tree, DnfError> {
    let mut tree = Tree::new();
    rpm.put(pin, &mut tree)?;
    put(&mut tree, &format!("{FOLDER}/tmp"), Inode::directory(0o1777, Origin::Sandbox))?;
    let mut command = rpm.command();
    let options = ["--install", "--ignorearch", "--ignoreos", "--ignoresize", "--nosignature"];
    command.extend(options.map(str::to_owned));
    for parcel in parcels {
        let path = format!("{FOLDER}/packages/{}.rpm", parcel.name);
        let content = Content::Slice { path: parcel.file.path.clone(), offset: 0, size: parcel.file.size };
        put(&mut tree, &path, Inode::file(0o644, content, Origin::Sandbox))?;
        command.push(format!("/{path}"));
    }
    let settings = Settings {
        folder: context.store.ground(),
        network: false,
        expected_size: parcels.iter().map(|parcel| parcel.installed_size.saturating_add(parcel.file.size)).sum(),
        emulator: Emulator::for_platform(pin.platform)?,
    };
    let mut session = context.sandbox.start(&settings)?;
    tracing::debug!("the sandbox is {}", session.door());
    session.put(tree.entries())?;
    let Ended { code, mut output } = session.run_to_end(&step(command, epoch))?;
    output.retain(|line| !is_of_debian(line));
    if code != 0 {
        return Err(DnfError::Transaction { said: output });
    }
    let mut tree = session.collect(&context.store)?;
    let folder = TreePath::literal(FOLDER);
    tree.clear(&folder);
    tree.remove(&folder)?;
    // What the sandbox mounts on is left alone by rpm; all distributions of rpm have these closed to writing.
    for name in ["proc", "sys"] {
        if let Some(inode) = tree.get_mut(&TreePath::literal(name)) {
            inode.meta.mode = 0o555;
        }
    }
    let made = users::make(&mut tree, epoch)?;
    for parcel in parcels {
        let damaged = |reason| DnfError::Damaged { package: parcel.name.clone(), reason };
        users::give(&mut tree, &PackageFile::read(&parcel.file.path).map_err(damaged)?.header(), &made);
    }
    warn(&output, &made, context);
    leave_settings(pin, &mut tree, epoch)?;
    Ok(tree)
}

/// Passes on what rpm warns of, but for users that were missing to it and are there now; with what scripts said that failed.
fn warn(output: &[String], made: &Made, context: &Context) {
    let mut passed_on = BTreeSet::new();
    for (at, line) in output.iter().enumerate() {
        let Some(warning) = line.strip_prefix("warning: ").filter(|warning| passed_on.insert(*warning)) else {
            continue;
        };
        let words: Vec<&str> = warning.split_whitespace().collect();
        let is_mended = match words.as_slice() {
            ["user", name, "does", "not", "exist", ..] => made.users.contains_key(*name),
            ["group", name, "does", "not", "exist", ..] => made.groups.contains_key(*name),
            _ => false,
        };
        if !is_mended {
            context.reporter.warn(&format!("rpm: {warning}{}", said(&output[..at], warning)));
        }
    }
}

/// Whether a line is Debian's rpm's about itself, which it says whenever it installs something.
fn is_of_debian(line: &str) -> bool {
    ["rpm: RPM should not be used directly", "rpm: However assuming you know what you are doing"]
        .iter()
        .any(|begin| line.starts_with(begin))
}

/// The last lines that a script wrote before rpm's `warning` that it failed; nothing after other warnings.
fn said(before: &[String], warning: &str) -> String {
    const MOST: usize = 5;
    if !warning.contains(" scriptlet failed, ") {
        return String::new();
    }
    let of_rpm =
        |line: &&String| ["warning: ", "error: "].iter().any(|begin| line.starts_with(begin)) || **line == "...";
    let lines: Vec<&str> =
        before.iter().rev().take_while(|line| !of_rpm(line)).take(MOST).map(String::as_str).collect();
    match lines.is_empty() {
        true => "; it said nothing".to_owned(),
        false => format!("; it said: {}", lines.into_iter().rev().collect::<Vec<_>>().join(" / ")),
    }
}

fn step(command: Vec<String>, epoch: Epoch) -> Step {
    Step {
        command,
        environment: ENVIRONMENT.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        folder: "/".to_owned(),
        time: epoch.seconds(),
        network: false,
        secrets: Vec::new(),
    }
}

/// Tells the image's own rpm and dnf what this transaction was told, so that later ones go on like it.
fn leave_settings(pin: &DnfPin, tree: &mut Tree, epoch: Epoch) -> Result<(), DnfError> {
    let mut write = |path: String, text: String| {
        let inode = Inode::file(0o644, Content::bytes(text.into_bytes()), Origin::Pass("dnf".into())).at(epoch);
        put(tree, &path, inode)
    };
    if !pin.langs.is_empty() {
        write("etc/rpm/macros.image-language-conf".into(), format!("%_install_langs {}\n", pin.langs.join(":")))?;
    }
    for module in &pin.modules {
        let (name, stream) = module.split_once(':').unwrap_or((module, ""));
        write(format!("etc/dnf/modules.d/{name}.module"), module_file(name, stream))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_debians_rpm_says_of_itself_is_of_no_script() {
        assert!(is_of_debian("rpm: RPM should not be used directly install RPM packages, use Alien instead!"));
        assert!(is_of_debian("rpm: However assuming you know what you are doing..."));
        assert!(!is_of_debian("rpm: no packages given for install"));
    }

    #[test]
    fn failed_scripts_are_shown_with_what_they_said() {
        let failed = "%post(app-1-1.noarch) scriptlet failed, exit status 3";
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        let before = lines(&["of another", "warning: other", "line 1", "line 2"]);
        assert_eq!(said(&before, failed), "; it said: line 1 / line 2");
        assert_eq!(said(&before[..2], failed), "; it said nothing");
        assert_eq!(said(&before, "user app does not exist - using root"), "");
        let many = lines(&["1", "2", "3", "4", "5", "6"]);
        assert_eq!(said(&many, failed), "; it said: 2 / 3 / 4 / 5 / 6");
    }
}
