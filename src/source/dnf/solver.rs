//! The host's dnf5, dnf 4 or microdnf as a solver: it is given local copies of indexes and an empty installroot, and says
//! which packages it would install. It downloads and installs nothing, and reads nothing of the host's configuration.

mod answer;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::DnfError;
use super::repodata::Index;
use crate::sandbox::HostProgram;

/// A solver of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Solver {
    kind: Kind,
    program: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Dnf5,
    Dnf4,
    Microdnf,
}

/// The programs that can solve, the best first.
pub const PROGRAMS: [&str; 4] = ["dnf5", "dnf", "dnf4", "microdnf"];

/// What is to be solved.
pub(super) struct Problem<'a> {
    pub(super) indexes: &'a [Index],
    /// rpm's name of the architecture.
    pub(super) architecture: &'a str,
    pub(super) release: &'a str,
    /// Packages, as dnf takes them, and groups with an `@`.
    pub(super) wanted: Vec<String>,
    pub(super) excluded: Vec<String>,
    pub(super) weak_dependencies: bool,
    /// Whether nothing but the newest version of each package will do.
    pub(super) best: bool,
    /// Streams of modules: name and stream.
    pub(super) modules: Vec<(&'a str, &'a str)>,
    pub(super) module_platform: Option<String>,
}

/// A package that was chosen: `name-version.architecture`, and its repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Choice {
    pub(super) nevra: String,
    pub(super) repository: String,
}

impl Solver {
    /// The best solver in these folders.
    pub fn find(folders: &[PathBuf]) -> Result<Self, DnfError> {
        let found = PROGRAMS.iter().find_map(|name| find_program(folders, name));
        let program = found.ok_or_else(|| DnfError::NoProgram {
            what: "a program that chooses packages",
            programs: PROGRAMS.to_vec(),
        })?;
        // On newer systems `dnf` is a link to dnf5, or to microdnf.
        let real = fs::canonicalize(&program).unwrap_or_else(|_| program.clone());
        let kind = match real.file_name().and_then(|name| name.to_str()) {
            Some("dnf5") => Kind::Dnf5,
            Some("microdnf") => Kind::Microdnf,
            _ => Kind::Dnf4,
        };
        Ok(Self { kind, program })
    }

    /// Its file.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Chooses packages. `folder` is empty, and for this alone.
    pub(super) fn solve(&self, problem: &Problem<'_>, folder: &Path) -> Result<Vec<Choice>, DnfError> {
        if self.kind == Kind::Microdnf && problem.wanted.iter().any(|wanted| wanted.starts_with('@')) {
            return Err(DnfError::NoGroups);
        }
        prepare(problem, folder)?;
        let name = self.program.display().to_string();
        let program = HostProgram {
            program: self.program.clone(),
            arguments: self.arguments(problem, folder),
            folder: folder.to_owned(),
            // Tables are not to be broken or cut.
            environment: vec![("COLUMNS", "1000".into()), ("FORCE_COLUMNS", "1000".into()), ("NO_COLOR", "1".into())],
        };
        let output = program.run_as_root().map_err(|reason| DnfError::Program { program: name.clone(), reason })?;
        let repositories: Vec<&str> = problem.indexes.iter().map(|index| &*index.id).collect();
        answer::read(&name, &output, &repositories)
    }

    fn arguments(&self, problem: &Problem<'_>, folder: &Path) -> Vec<OsString> {
        let joined = |option: &str, path: PathBuf| {
            let mut text = OsString::from(option);
            text.push(path);
            text
        };
        let mut arguments = vec![
            joined("--config=", folder.join("dnf.conf")),
            joined("--installroot=", folder.join("root")),
            format!("--releasever={}", problem.release).into(),
        ];
        let host = match std::env::consts::ARCH {
            "powerpc64" => "ppc64le",
            other => other,
        };
        if problem.architecture != host {
            arguments.push(format!("--forcearch={}", problem.architecture).into());
        }
        match self.kind {
            Kind::Dnf5 => arguments.push("--use-host-config".into()),
            Kind::Dnf4 => arguments.push("--disableplugin=*".into()),
            // It reads few of the settings of a file.
            Kind::Microdnf => {
                arguments.push("--noplugins".into());
                arguments.push(format!("--setopt=best={}", u8::from(problem.best)).into());
                arguments.push(joined("--setopt=reposdir=", folder.join("repos")));
                arguments.push(joined("--setopt=cachedir=", folder.join("cache")));
                arguments.push(format!("--setopt=install_weak_deps={}", u8::from(problem.weak_dependencies)).into());
                if let Some(platform) = &problem.module_platform {
                    arguments.push(format!("--setopt=module_platform_id={platform}").into());
                }
            }
        }
        arguments.extend(["--assumeno".into(), "install".into()]);
        arguments.extend(problem.wanted.iter().map(OsString::from));
        arguments
    }
}

/// The program `name` in the first of some folders that has it.
pub fn find_program(folders: &[PathBuf], name: &str) -> Option<PathBuf> {
    folders
        .iter()
        .map(|folder| folder.join(name))
        .find(|file| nix::unistd::access(file, nix::unistd::AccessFlags::X_OK).is_ok() && file.is_file())
}

/// Lays out the folder: `dnf.conf`, `repos/`, an index for each repository, and the installroot.
fn prepare(problem: &Problem<'_>, folder: &Path) -> Result<(), DnfError> {
    let write = |path: PathBuf, text: &str| {
        let parent = path.parent().unwrap_or(folder);
        let written = fs::create_dir_all(parent).and_then(|()| fs::write(&path, text));
        written.map_err(|source| DnfError::Io { what: "write", path, source })
    };
    let place = folder.display();
    let mut main = format!(
        "[main]\ncachedir={place}/cache\npersistdir={place}/persist\nlogdir={place}/log\nsystem_cachedir={place}/cache\n\
         reposdir={place}/repos\nvarsdir={place}/vars\npluginpath={place}/none\npluginconfpath={place}/none\nplugins=0\n\
         gpgcheck=0\nbest={}\nstrict=1\nskip_if_unavailable=0\nmetadata_expire=-1\nzchunk=0\nassumeno=1\n\
         protected_packages=\ninstall_weak_deps={}\noptional_metadata_types=filelists,comps\n",
        u8::from(problem.best),
        u8::from(problem.weak_dependencies)
    );
    if let Some(platform) = &problem.module_platform {
        // Writing to a string cannot fail.
        let _ = writeln!(main, "module_platform_id={platform}");
    }
    write(folder.join("dnf.conf"), &main)?;
    let mut sections = String::new();
    for index in problem.indexes {
        let id = &index.id;
        let repository = folder.join("indexes").join(id);
        let _ = write!(sections, "[{id}]\nname={id}\nbaseurl=file://{}\nenabled=1\ngpgcheck=0\n", repository.display());
        if !problem.excluded.is_empty() {
            let _ = writeln!(sections, "excludepkgs={}", problem.excluded.join(","));
        }
        write(repository.join("repodata/repomd.xml"), &index.repomd())?;
        for (_, name, blob) in &index.files {
            let path = repository.join("repodata").join(name);
            std::os::unix::fs::symlink(&blob.path, &path).map_err(|source| DnfError::Io {
                what: "make the link",
                path,
                source,
            })?;
        }
    }
    write(folder.join("repos/rootsmith.repo"), &sections)?;
    let root = folder.join("root");
    fs::create_dir_all(&root).map_err(|source| DnfError::Io { what: "make the folder", path: root.clone(), source })?;
    // Streams that are enabled, for dnf 4 and microdnf, and for dnf5.
    for (name, stream) in &problem.modules {
        write(root.join(format!("etc/dnf/modules.d/{name}.module")), &module_file(name, stream))?;
    }
    if !problem.modules.is_empty() {
        let mut state = String::from("version = \"1.0\"\n\n[modules]\n");
        for (name, stream) in &problem.modules {
            let _ = writeln!(
                state,
                "{name} = {{ enabled_stream = \"{stream}\", installed_profiles = [], state = \"Enabled\" }}"
            );
        }
        write(root.join("usr/lib/sysimage/libdnf5/modules.toml"), &state)?;
    }
    Ok(())
}

/// What dnf 4 keeps of a module whose stream is enabled.
pub(super) fn module_file(name: &str, stream: &str) -> String {
    format!("[{name}]\nname={name}\nstream={stream}\nprofiles=\nstate=enabled\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(wanted: &str) -> Problem<'_> {
        Problem {
            indexes: &[],
            architecture: "aarch64",
            release: "10",
            wanted: vec![wanted.to_owned()],
            excluded: Vec::new(),
            weak_dependencies: false,
            best: true,
            modules: vec![("nodejs", "20")],
            module_platform: Some("platform:el10".to_owned()),
        }
    }

    fn arguments(kind: Kind) -> String {
        let solver = Solver { kind, program: "/usr/bin/x".into() };
        let arguments = solver.arguments(&problem("bash"), Path::new("/f"));
        arguments.iter().map(|argument| argument.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn command_lines_of_the_three() {
        let common = "--config=/f/dnf.conf --installroot=/f/root --releasever=10 --forcearch=aarch64";
        assert_eq!(arguments(Kind::Dnf5), format!("{common} --use-host-config --assumeno install bash"));
        assert_eq!(arguments(Kind::Dnf4), format!("{common} --disableplugin=* --assumeno install bash"));
        let more = "--noplugins --setopt=best=1 --setopt=reposdir=/f/repos --setopt=cachedir=/f/cache --setopt=install_weak_deps=0 \
                    --setopt=module_platform_id=platform:el10 --assumeno install bash";
        assert_eq!(arguments(Kind::Microdnf), format!("{common} {more}"));
    }

    #[test]
    fn the_best_solver_is_found_and_known_by_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let folders = [folder.path().join("none"), folder.path().to_owned()];
        assert!(matches!(Solver::find(&folders), Err(DnfError::NoProgram { .. })));
        let make = |name: &str| {
            let path = folder.path().join(name);
            fs::write(&path, "#!/bin/sh\n").unwrap();
            fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        };
        make("microdnf");
        let micro = Solver::find(&folders).unwrap();
        assert_eq!(micro.kind, Kind::Microdnf);
        let refused = micro.solve(&problem("@core"), folder.path());
        assert!(matches!(refused, Err(DnfError::NoGroups)));
        make("dnf-3");
        std::os::unix::fs::symlink("dnf-3", folder.path().join("dnf")).unwrap();
        assert_eq!(Solver::find(&folders).unwrap().kind, Kind::Dnf4);
        make("dnf5");
        assert_eq!(Solver::find(&folders).unwrap().kind, Kind::Dnf5);
    }

    #[test]
    fn the_folder_is_all_that_it_reads() {
        let folder = tempfile::tempdir().unwrap();
        prepare(&problem("bash"), folder.path()).unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(read("dnf.conf").contains("module_platform_id=platform:el10\n"));
        assert!(read("root/etc/dnf/modules.d/nodejs.module").contains("stream=20\n"));
        assert!(read("root/usr/lib/sysimage/libdnf5/modules.toml").contains("nodejs = { enabled_stream = \"20\""));
    }
}
