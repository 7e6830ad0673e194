//! The rpm of this machine, as files that work inside any root filesystem: the program, the libraries that it is linked
//! with, and a configuration of our own. Nothing else of the host comes along.

use std::path::{Path, PathBuf};

use super::DnfError;
use super::solver::find_program;
use crate::lock::DnfPin;
use crate::sandbox::linked;
use crate::tree::{Content, Inode, Origin, Tree, TreePath};

/// Where everything is while rpm works; it is taken away afterwards.
pub(super) const FOLDER: &str = ".rootsmith";

/// rpm and its libraries.
pub(super) struct HostRpm {
    program: PathBuf,
    loader: Option<PathBuf>,
    libraries: Vec<PathBuf>,
}

impl HostRpm {
    /// The rpm in the first of these folders that has it.
    pub(super) fn find(folders: &[PathBuf]) -> Result<Self, DnfError> {
        let program = find_program(folders, "rpm")
            .ok_or_else(|| DnfError::NoProgram { what: "a program that installs packages", programs: vec!["rpm"] })?;
        let wrong = |reason| DnfError::Program { program: program.display().to_string(), reason };
        let (loader, libraries) = match linked(&program).map_err(wrong)? {
            Some(linked) => (Some(linked.loader), linked.libraries),
            None => (None, Vec::new()),
        };
        Ok(Self { program, loader, libraries })
    }

    /// Puts it into `tree`.
    pub(super) fn put(&self, pin: &DnfPin, tree: &mut Tree) -> Result<(), DnfError> {
        let mut copy = |path: String, file: &Path, mode: u32| -> Result<(), DnfError> {
            let read = |source| DnfError::Io { what: "read", path: file.to_owned(), source };
            // Through links, so that the file has the name that the loader looks for.
            let file = file.canonicalize().map_err(read)?;
            let size = file.metadata().map_err(read)?.len();
            let content = Content::Slice { path: file.into(), offset: 0, size };
            put(tree, &path, Inode::file(mode, content, Origin::Sandbox))
        };
        copy(format!("{FOLDER}/rpm"), &self.program, 0o755)?;
        if let Some(loader) = &self.loader {
            copy(format!("{FOLDER}/loader"), loader, 0o755)?;
        }
        for library in &self.libraries {
            let name = library.file_name().unwrap_or_default().to_string_lossy();
            copy(format!("{FOLDER}/lib/{name}"), library, 0o644)?;
        }
        let mut write = |name: &str, text: String| {
            let inode = Inode::file(0o644, Content::bytes(text.into_bytes()), Origin::Sandbox);
            put(tree, &format!("{FOLDER}/{name}"), inode)
        };
        // Which architectures go together was decided when the packages were chosen.
        write("rpmrc", String::new())?;
        write("macros", macros(pin))
    }

    /// The words that start rpm inside.
    pub(super) fn command(&self) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        if let Some(loader) = &self.loader {
            words.push(format!("/{FOLDER}/loader"));
            // musl's loader knows no caches.
            if !loader.to_string_lossy().contains("ld-musl") {
                words.push("--inhibit-cache".to_owned());
            }
            words.extend(["--library-path".to_owned(), format!("/{FOLDER}/lib")]);
        }
        words.push(format!("/{FOLDER}/rpm"));
        words.extend(["--rcfile".to_owned(), format!("/{FOLDER}/rpmrc")]);
        words.extend(["--macros".to_owned(), format!("/{FOLDER}/macros")]);
        words
    }
}

/// rpm's settings: all that its own files would say, and that a transaction heeds.
fn macros(pin: &DnfPin) -> String {
    let mut text = format!(
        "%_dbpath {}\n%_db_backend {}\n%_rpmlock_path %{{_dbpath}}/.rpm.lock\n\
         %_install_script_path /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n\
         %_tmppath /{FOLDER}/tmp\n%_var /var\n%__plugindir /{FOLDER}/none\n%_netsharedpath /dev:/proc:/sys\n\
         %_pkgverify_level digest\n%_pkgverify_flags 0x0\n%_transaction_color 3\n%_prefer_color 2\n\
         %_keyring rpmdb\n%_hkp_keyserver %{{nil}}\n",
        pin.database, pin.database_format
    );
    if !pin.docs {
        text.push_str("%_excludedocs 1\n");
    }
    if !pin.langs.is_empty() {
        text.push_str(&format!("%_install_langs {}\n", pin.langs.join(":")));
    }
    text
}

/// Puts an inode at `path`, which has been made of plain names.
pub(super) fn put(tree: &mut Tree, path: &str, inode: Inode) -> Result<(), DnfError> {
    let path = TreePath::new(path).expect("a path of plain names");
    tree.insert_with_parents(path, inode)?;
    Ok(())
}
