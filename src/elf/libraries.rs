//! Where a program's interpreter finds libraries in a tree (ld.so(8), and musl's `ldso/dynlink.c`).

use std::collections::BTreeSet;

use super::{Class, Elf, read_content};
use crate::tree::{ResolveError, Tree, TreePath};

/// Folders that glibc's interpreters know by themselves.
const GLIBC: [&str; 5] = ["lib", "usr/lib", "lib64", "usr/lib64", "lib32"];
/// The same of musl's, where there is no `/etc/ld-musl-ARCH.path`.
const MUSL: [&str; 3] = ["lib", "usr/local/lib", "usr/lib"];
/// Where ldconfig looks too, by its usual configuration: without one, or what it made, glibc's do not.
const CONFIGURED: &str = "usr/local/lib";
const CONFIGURATION: [&str; 3] = ["etc/ld.so.cache", "etc/ld.so.conf", "etc/ld.so.conf.d"];
/// Debian has its libraries in folders of an architecture's name.
const MULTIARCH: [(u16, &str); 7] = [
    (object::elf::EM_X86_64, "x86_64-linux-gnu"),
    (object::elf::EM_AARCH64, "aarch64-linux-gnu"),
    (object::elf::EM_ARM, "arm-linux-gnueabihf"),
    (object::elf::EM_386, "i386-linux-gnu"),
    (object::elf::EM_PPC64, "powerpc64le-linux-gnu"),
    (object::elf::EM_RISCV, "riscv64-linux-gnu"),
    (object::elf::EM_S390, "s390x-linux-gnu"),
];
/// More libraries than any program loads.
const MOST_LIBRARIES: usize = 2000;

/// What a program or library loads out of a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The files, its interpreter among them, by the places where links lead.
    pub found: BTreeSet<TreePath>,
    /// The names of those that the tree does not have.
    pub missing: Vec<String>,
}

/// What the object at `path` needs of the tree: its interpreter, libraries, and what libraries need. `searched` are the
/// folders of `LD_LIBRARY_PATH`.
pub fn needs(tree: &Tree, path: &TreePath, program: &Elf, searched: &[String]) -> Result<Needs, ResolveError> {
    let mut needs = Needs::default();
    let interpreter = program.interpreter.as_deref();
    if let Some(interpreter) = interpreter {
        match file(tree, interpreter)? {
            Some(place) => drop(needs.found.insert(place)),
            None => needs.missing.push(interpreter.to_owned()),
        }
    }
    // The RPATH of a program counts for its libraries too, its RUNPATH does not.
    let inherited = if program.runpath.is_empty() { expanded(&program.rpath, path, program) } else { Vec::new() };
    let known = known(tree, program)?;
    let everywhere = [inherited.as_slice(), searched, &known].concat();
    let mut seen = BTreeSet::new();
    let mut todo = vec![(path.clone(), program.clone())];
    while let Some((path, object)) = todo.pop() {
        for name in &object.needed {
            if !seen.insert(name.clone()) || seen.len() > MOST_LIBRARIES || is_interpreter(name, interpreter) {
                continue;
            }
            match find(tree, name, &path, &object, &everywhere)? {
                Some(found) => {
                    needs.found.insert(found.0.clone());
                    todo.push(found);
                }
                None => needs.missing.push(name.clone()),
            }
        }
    }
    Ok(needs)
}

/// The library of some name that an object would load.
fn find(
    tree: &Tree,
    name: &str,
    path: &TreePath,
    object: &Elf,
    everywhere: &[String],
) -> Result<Option<(TreePath, Elf)>, ResolveError> {
    let fits = |place: &str| -> Result<Option<(TreePath, Elf)>, ResolveError> {
        let Some(path) = file(tree, place)? else { return Ok(None) };
        let content = tree.get(&path).and_then(|inode| inode.content());
        // Interpreters pass over libraries of another kind.
        let elf = content.and_then(|content| read_content(content).ok().flatten());
        Ok(elf.filter(|elf| (elf.machine, elf.class) == (object.machine, object.class)).map(|elf| (path, elf)))
    };
    if name.contains('/') {
        return fits(name);
    }
    let own = if object.runpath.is_empty() { &object.rpath } else { &object.runpath };
    for folder in expanded(own, path, object).iter().chain(everywhere) {
        if let Some(found) = fits(&format!("{folder}/{name}"))? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The folders that the interpreter of a program knows by itself.
fn known(tree: &Tree, program: &Elf) -> Result<Vec<String>, ResolveError> {
    let own = |folders: &[&str]| folders.iter().map(|folder| (*folder).to_owned()).collect::<Vec<_>>();
    let interpreter = program.interpreter.as_deref().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    if let Some(musl) = interpreter.strip_prefix("ld-musl-") {
        let architecture = musl.split('.').next().unwrap_or_default();
        let list = file(tree, &format!("etc/ld-musl-{architecture}.path"))?;
        let list = list.and_then(|path| tree.get(&path)?.content()?.read().ok());
        return Ok(match list.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()) {
            Some(text) => text.split([':', '\n']).map(str::to_owned).filter(|folder| !folder.is_empty()).collect(),
            None => own(&MUSL),
        });
    }
    let multiarch = MULTIARCH.iter().filter(|(machine, _)| *machine == program.machine);
    let mut known: Vec<String> =
        multiarch.flat_map(|(_, name)| [format!("lib/{name}"), format!("usr/lib/{name}")]).collect();
    known.extend(own(&GLIBC));
    if CONFIGURATION.iter().any(|path| tree.contains(&TreePath::literal(path))) {
        known.push(CONFIGURED.to_owned());
    }
    Ok(known)
}

/// The folders of an RPATH or RUNPATH of the object at `path`, with their variables filled in.
fn expanded(folders: &[String], path: &TreePath, object: &Elf) -> Vec<String> {
    let origin = path.parent().unwrap_or_else(TreePath::root);
    let origin = format!("/{}", String::from_utf8_lossy(origin.as_bytes()));
    let library = if object.class == Class::Bits64 { "lib64" } else { "lib" };
    let filled = |folder: &String| {
        let plain = folder.replace("${ORIGIN}", "$ORIGIN").replace("${LIB}", "$LIB");
        plain.replace("$ORIGIN", &origin).replace("$LIB", library)
    };
    folders.iter().map(filled).collect()
}

/// Whether a library is the interpreter itself: musl's is the C library too, by any of its names.
fn is_interpreter(name: &str, interpreter: Option<&str>) -> bool {
    let Some(interpreter) = interpreter else { return false };
    let own = interpreter.rsplit('/').next().unwrap_or(interpreter);
    name == own || own.starts_with("ld-musl-") && (name == "libc.so" || name.starts_with("libc.musl-"))
}

/// Where the regular file at a path of the image is. `..` goes up, as in `$ORIGIN/../lib`.
fn file(tree: &Tree, path: &str) -> Result<Option<TreePath>, ResolveError> {
    let mut plain: Vec<&str> = Vec::new();
    for component in path.split('/') {
        match component {
            "" | "." => {}
            ".." => drop(plain.pop()),
            name => plain.push(name),
        }
    }
    let place = tree.resolve(&TreePath::new(plain.join("/"))?)?;
    Ok(tree.get(&place).filter(|inode| inode.is_file()).map(|_| place))
}
