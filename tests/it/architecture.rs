//! The direction of imports, the size of files and the length of a build's path through the code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A module imports from lower ranks, or from inside its own folder. Equal ranks do not import each other.
const RANKS: [(&str, &[&str]); 9] = [
    ("the words", &["digest", "platform", "epoch", "interrupt", "package", "report", "shared_path", "to_disk"]),
    ("files, documents, recipes, blobs", &["tree", "oci", "recipe", "store"]),
    ("archives, pins, downloads, other programs", &["archive", "lock", "http", "engine", "openpgp", "sandbox", "elf"]),
    ("what the families stand on", &["context", "image", "registry", "inventory"]),
    ("the families", &["source", "pass", "conda", "check", "attest", "dest"]),
    ("the sum of what can go wrong", &["error"]),
    ("one verb a file", &["ops"]),
    ("the command line", &["cli"]),
    ("the entries", &["main", "lib"]),
];

/// Lines of code that a file may have, tests, comments and empty lines not counted.
const LONGEST_FILE: usize = 500;

/// What following one build may ask of a reader, from `main` to the written layout: files, and lines of code in them.
const BUILD_FILES: usize = 15;
const BUILD_LINES: usize = 3000;

/// The line of the crate's documentation above the list of those files.
const BUILD_HEADING: &str = "Following one build";

#[test]
fn imports_go_down() {
    let sources = sources();
    let mut wrong = Vec::new();
    for source in &sources {
        let Some(own) = rank(&source.module[0]) else {
            wrong.push(format!("{}: `{}` has no rank", source.name, source.module[0]));
            continue;
        };
        for (line, target) in source.imports() {
            let first = &target[0];
            if *first == source.module[0] {
                continue;
            }
            match rank(first) {
                Some(theirs) if theirs < own => {}
                Some(theirs) => wrong.push(format!(
                    "{}:{line}: `{}` (rank {own}) imports from `{first}` (rank {theirs})",
                    source.name, source.module[0]
                )),
                None => wrong.push(format!("{}:{line}: `{first}` is no module with a rank", source.name)),
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the direction:\n  {}\n\n{}", wrong.join("\n  "), rank_table());
}

#[test]
fn siblings_do_not_import_each_other_in_circles() {
    let sources = sources();
    let modules: BTreeSet<&[String]> = sources.iter().map(|source| source.module.as_slice()).collect();
    // For each folder, which of its modules import which.
    let mut folders: BTreeMap<&[String], BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    let imports: Vec<_> = sources.iter().map(|source| (source, source.imports())).collect();
    for (source, imports) in &imports {
        for (_, target) in imports {
            let Some(target) = (1..=target.len()).rev().map(|end| &target[..end]).find(|path| modules.contains(path))
            else {
                continue;
            };
            let common = source.module.iter().zip(target).take_while(|(a, b)| a == b).count();
            if let (Some(from), Some(to)) = (source.module.get(common), target.get(common)) {
                folders.entry(&source.module[..common]).or_default().entry(from).or_default().insert(to);
            }
        }
    }
    let circles: Vec<String> = folders
        .iter()
        .flat_map(|(folder, graph)| {
            let reaches_itself = |start: &&&str| reachable(graph, start).contains(**start);
            let circle: Vec<&str> = graph.keys().filter(reaches_itself).copied().collect();
            (!circle.is_empty()).then(|| format!("{}: {}", folder.join("::"), circle.join(", ")))
        })
        .collect();
    assert!(circles.is_empty(), "modules that import each other in a circle, by folder:\n  {}", circles.join("\n  "));
}

#[test]
fn files_are_short() {
    let long: Vec<String> = sources()
        .iter()
        .filter(|source| source.code().count() > LONGEST_FILE)
        .map(|source| format!("{}: {}", source.name, source.code().count()))
        .collect();
    assert!(long.is_empty(), "files of more than {LONGEST_FILE} lines of code: {long:#?}");
}

#[test]
fn following_one_build_is_short() {
    let sources = sources();
    let files = build_files();
    assert!(files.len() >= 5, "the crate's documentation lists the files of one build under `{BUILD_HEADING}`");
    assert!(files.len() <= BUILD_FILES, "one build goes through {} files, {BUILD_FILES} are allowed", files.len());
    let lines: Vec<(usize, &String)> = files
        .iter()
        .map(|name| {
            let source = sources.iter().find(|source| source.name == format!("src/{name}"));
            let source = source.unwrap_or_else(|| panic!("`{name}` of the crate's documentation is no file"));
            (source.code().count(), name)
        })
        .collect();
    let sum: usize = lines.iter().map(|(count, _)| count).sum();
    assert!(sum <= BUILD_LINES, "one build goes through {sum} lines, {BUILD_LINES} are allowed: {lines:#?}");
}

/// The file names in backquotes below the heading in the crate's documentation, up to the next heading or paragraph of
/// another kind: one for each item of the list.
fn build_files() -> Vec<String> {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let docs = text.lines().map(|line| line.trim_start_matches("//!").trim());
    let below = docs.skip_while(|line| !(line.starts_with('#') && line.ends_with(BUILD_HEADING))).skip(1);
    let items = below.take_while(|line| !line.starts_with('#'));
    let name = |line: &str| line.split('`').nth(1).filter(|name| name.ends_with(".rs")).map(str::to_owned);
    items.filter_map(name).collect()
}

/// A file under `src`.
struct Source {
    /// From the root of the repository: `src/tree/path.rs`.
    name: String,
    /// `["tree", "path"]`.
    module: Vec<String>,
    text: String,
}

impl Source {
    /// Its lines that are code, with their numbers. Tests are left out.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines: Vec<&str> = self.text.lines().collect();
        let tests = lines.windows(2).position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod "));
        let lines = lines.into_iter().take(tests.unwrap_or(usize::MAX)).enumerate();
        let code = lines.map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()));
        code.filter(|(_, line)| !line.trim().is_empty())
    }

    /// The paths that it names within the crate, made absolute, with the numbers of their lines.
    fn imports(&self) -> Vec<(usize, Vec<String>)> {
        let mut imports = Vec::new();
        for (number, line) in self.code() {
            for (start, _) in line.match_indices("crate::").filter(|(start, _)| begins_word(line, *start)) {
                let rest = &line[start + "crate::".len()..];
                imports.extend(names(rest).into_iter().map(|path| (number, path)));
            }
            for (start, _) in line.match_indices("super::").filter(|(start, _)| begins_word(line, *start)) {
                if line[..start].ends_with("super::") {
                    continue;
                }
                let mut rest = &line[start..];
                let mut base = self.module.clone();
                while let Some(after) = rest.strip_prefix("super::") {
                    base.pop();
                    rest = after;
                }
                imports.extend(names(rest).into_iter().map(|path| (number, [base.clone(), path].concat())));
            }
        }
        imports.retain(|(_, path)| path.first().is_some_and(|first| !first.is_empty()));
        imports
    }
}

/// The paths at the beginning of `text`: one, or several in braces.
fn names(text: &str) -> Vec<Vec<String>> {
    if let Some(group) = text.strip_prefix('{') {
        let mut depth = 0;
        let mut parts = vec![String::new()];
        for letter in group.chars() {
            match letter {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => parts.push(String::new()),
                _ => {}
            }
            parts.last_mut().expect("there is always a part").push(letter);
        }
        return parts.iter().flat_map(|part| names(part.trim_start_matches([',', ' ']))).collect();
    }
    let end = text.find(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == ':'));
    let path: Vec<String> = text[..end.unwrap_or(text.len())].split("::").map(str::to_owned).collect();
    let (rest, path) = match path.split_last() {
        Some((last, init)) if last.is_empty() => (text.find('{').map(|at| &text[at..]), init.to_vec()),
        _ => (None, path),
    };
    match rest {
        Some(group) => names(group).into_iter().map(|inner| [path.clone(), inner].concat()).collect(),
        None => vec![path],
    }
}

fn begins_word(line: &str, start: usize) -> bool {
    !line[..start].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_' || letter == '$')
}

fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    for entry in walkdir::WalkDir::new(root().join("src")).sort_by_file_name() {
        let path = entry.unwrap().into_path();
        let is_test =
            path.iter().any(|part| part == "tests") || path.file_name().is_some_and(|name| name == "tests.rs");
        if path.extension().is_none_or(|extension| extension != "rs") || is_test {
            continue;
        }
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let mut module: Vec<String> =
            name.trim_start_matches("src/").trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        module.pop_if(|last| last == "mod");
        sources.push(Source { name, module, text: fs::read_to_string(&path).unwrap() });
    }
    assert!(sources.len() > 50, "the sources are where they are looked for");
    sources
}

fn reachable<'a>(graph: &BTreeMap<&'a str, BTreeSet<&'a str>>, start: &'a str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open = vec![start];
    while let Some(module) = open.pop() {
        open.extend(graph.get(module).into_iter().flatten().filter(|next| found.insert(**next)));
    }
    found
}

fn rank(module: &str) -> Option<usize> {
    RANKS.iter().position(|(_, modules)| modules.contains(&module))
}

fn rank_table() -> String {
    let rows = RANKS.iter().enumerate().map(|(rank, (what, modules))| format!("{rank}  {what}: {}", modules.join(" ")));
    format!(
        "A module imports from lower ranks, or from inside its own folder:\n  {}",
        rows.collect::<Vec<_>>().join("\n  ")
    )
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

#[test]
fn paths_are_read_from_imports() {
    let of = |text| names(text).iter().map(|path| path.join("::")).collect::<Vec<_>>();
    assert_eq!(of("tree::Tree;"), ["tree::Tree"]);
    assert_eq!(
        of("{digest::Digest, tree::{Tree, path::TreePath}, oci};"),
        ["digest::Digest", "tree::Tree", "tree::path::TreePath", "oci"]
    );
    let source = |text: &str| Source {
        name: "src/a/b.rs".to_owned(),
        module: vec!["a".to_owned(), "b".to_owned()],
        text: text.to_owned(),
    };
    let imports = |text| source(text).imports().into_iter().map(|(_, path)| path.join("::")).collect::<Vec<_>>();
    assert_eq!(imports("use super::c::D;\nuse super::super::e::F; // crate::not::this\n"), ["a::c::D", "e::F"]);
    assert_eq!(imports("let x = crate::g::h();\n#[cfg(test)]\nmod tests {\nuse crate::i::J;\n}"), ["g::h"]);
}
