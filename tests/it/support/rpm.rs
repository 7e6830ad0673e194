//! A small distribution of rpm packages for tests, built with rpmbuild, signed with rpmsign, indexed with createrepo_c.
//!
//! Its shell, C library, rpm and busybox are the host's, so that scripts really run and rpm can be asked inside.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use super::require::find;
use super::workspace::run;

/// What building it takes.
pub const PROGRAMS: [&str; 8] = ["busybox", "createrepo_c", "dnf", "gpg", "ldd", "rpm", "rpmbuild", "rpmsign"];

/// When its packages were built.
pub const BUILT: i64 = 1_750_000_000;

/// Who signed the packages of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// The distribution's key.
    Well,
    /// Nobody.
    Not,
    /// A key that is not the distribution's.
    Wrongly,
}

/// The distribution: made once, and gone when the tests end.
pub struct Toy {
    folder: PathBuf,
    /// Removes the folder when its input ends: nothing drops what is static.
    _sweeper: Child,
}

impl Toy {
    /// It, built at the first call.
    pub fn new() -> &'static Self {
        static TOY: OnceLock<Toy> = OnceLock::new();
        TOY.get_or_init(Self::build)
    }

    /// The folder of a repository.
    pub fn repository(&self, signed: Signed) -> PathBuf {
        self.folder.join(format!("{signed:?}"))
    }

    /// A repository of a package that has a file of another one.
    pub fn rival(&self) -> PathBuf {
        self.folder.join("rival")
    }

    /// A repository of newer versions of `applause` and `modular`.
    pub fn newer(&self) -> PathBuf {
        self.folder.join("newer")
    }

    /// The distribution's key.
    pub fn key(&self) -> PathBuf {
        self.folder.join("toy.asc")
    }

    fn build() -> Self {
        let folder = tempfile::Builder::new().prefix("rs-toy-").tempdir_in("/tmp").unwrap().keep();
        let mut sweeper = Command::new("sh");
        sweeper.args(["-c", "read _; rm -rf -- \"$1\"", "sh"]).arg(&folder).stdin(Stdio::piped());
        let toy = Self { _sweeper: sweeper.spawn().unwrap(), folder };
        fs::set_permissions(&toy.folder, fs::Permissions::from_mode(0o755)).unwrap();
        let at = |name: &str| toy.folder.join(name);
        let specs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/rpm");
        let program = |name: &str| find(name).unwrap().canonicalize().unwrap();
        let shell = Path::new("/bin/sh").canonicalize().unwrap();
        let shared = libraries(&shell);
        copy(&shared, &at("libraries"));
        let further: BTreeSet<PathBuf> = libraries(&program("rpm")).difference(&shared).cloned().collect();
        copy(&further, &at("rpm-libraries"));
        let macros = [
            ("busybox", program("busybox")),
            ("shell", shell),
            ("rpm", program("rpm")),
            ("libraries", at("libraries")),
            ("rpm_libraries", at("rpm-libraries")),
        ];
        let macros = macros.map(|(name, path)| format!("{name} {}", path.display()));
        rpmbuild(&specs.join("toy.spec"), &at("built"), &macros);
        rpmbuild(&specs.join("rival.spec"), &at("rival-built"), &[]);
        rpmbuild(&specs.join("newer.spec"), &at("newer-built"), &[]);
        for (name, signed) in [("Toy", Signed::Well), ("Stranger", Signed::Wrongly)] {
            let home = make_key(&at(&format!("{name}-home")), name);
            collect(&at("built"), &toy.repository(signed));
            sign(&toy.repository(signed), &home, name);
            if signed == Signed::Well {
                let exported = run(Command::new("gpg").arg("--homedir").arg(&home).args(["--armor", "--export"]));
                fs::write(toy.key(), exported).unwrap();
                for (built, repository) in [("rival-built", toy.rival()), ("newer-built", toy.newer())] {
                    collect(&at(built), &repository);
                    sign(&repository, &home, name);
                    index(&repository, None);
                }
            }
            run(Command::new("gpgconf").arg("--homedir").arg(&home).args(["--kill", "gpg-agent"]));
        }
        collect(&at("built"), &toy.repository(Signed::Not));
        for repository in [Signed::Well, Signed::Not, Signed::Wrongly].map(|signed| toy.repository(signed)) {
            index(&repository, Some(&specs.join("groups.xml")));
            let modules = at("modules.yaml");
            fs::copy(specs.join("modules.yaml"), &modules).unwrap();
            run(Command::new("modifyrepo_c").arg("--mdtype=modules").arg(&modules).arg(repository.join("repodata")));
        }
        toy
    }
}

/// Indexes the packages in a folder, again where it has an index.
pub fn index(repository: &Path, groups: Option<&Path>) {
    let mut command = Command::new("createrepo_c");
    command.arg("--quiet");
    if let Some(groups) = groups {
        command.arg("--groupfile").arg(groups);
    }
    run(command.arg(repository));
}

/// The libraries and the loader of a program, as ldd names them.
fn libraries(program: &Path) -> BTreeSet<PathBuf> {
    let said = run(Command::new("ldd").arg(program));
    said.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

/// Copies files to where they are below `folder`, with `/lib` and the like below `/usr`.
fn copy(files: &BTreeSet<PathBuf>, folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    for file in files {
        let path = file.strip_prefix("/").unwrap();
        let path = folder.join("usr").join(path.strip_prefix("usr").unwrap_or(path));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(file, path).unwrap();
    }
}

fn rpmbuild(spec: &Path, folder: &Path, macros: &[String]) {
    let mut command = Command::new("rpmbuild");
    command.args(["-bb", "--nodeps", "--quiet"]).env("SOURCE_DATE_EPOCH", BUILT.to_string());
    let common = [
        format!("_topdir {}", folder.display()),
        "use_source_date_epoch_as_buildtime 1".to_owned(),
        "clamp_mtime_to_source_date_epoch 1".to_owned(),
        "_buildhost toy.invalid".to_owned(),
        "__os_install_post %{nil}".to_owned(),
        "debug_package %{nil}".to_owned(),
        "_build_id_links none".to_owned(),
    ];
    for definition in common.iter().chain(macros) {
        command.arg("--define").arg(definition);
    }
    run(command.arg(spec));
}

/// Copies all packages below `built` into `repository`.
fn collect(built: &Path, repository: &Path) {
    fs::create_dir_all(repository).unwrap();
    for architecture in fs::read_dir(built.join("RPMS")).unwrap() {
        for package in fs::read_dir(architecture.unwrap().path()).unwrap() {
            let package = package.unwrap();
            fs::copy(package.path(), repository.join(package.file_name())).unwrap();
        }
    }
}

fn make_key(home: &Path, name: &str) -> PathBuf {
    fs::create_dir(home).unwrap();
    fs::set_permissions(home, fs::Permissions::from_mode(0o700)).unwrap();
    let mut command = Command::new("gpg");
    command.arg("--homedir").arg(home).args(["--batch", "--quiet", "--passphrase", "", "--quick-gen-key"]);
    run(command.args([name, "rsa2048", "sign", "never"]));
    home.to_owned()
}

fn sign(repository: &Path, home: &Path, name: &str) {
    let mut command = Command::new("rpmsign");
    let gpg = find("gpg").expect("the test has required it");
    let definitions =
        [format!("_gpg_name {name}"), format!("_gpg_path {}", home.display()), format!("__gpg {}", gpg.display())];
    command.arg("--addsign");
    for definition in definitions {
        command.arg("--define").arg(definition);
    }
    for package in fs::read_dir(repository).unwrap() {
        command.arg(package.unwrap().path());
    }
    run(&mut command);
}
