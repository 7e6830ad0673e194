//! Programs of scratch images: whether they start there is found out before anything is fetched.

use std::io::Read;

use crate::context::Context;
use crate::elf::{self, Format, ProgramError};
use crate::epoch::Epoch;
use crate::error::Error;
use crate::image::ImageConfig;
use crate::ops::source;
use crate::pass::{Files, Pass};
use crate::platform::{Architecture, Platform};
use crate::recipe::{Recipe, SourceRequest};
use crate::tree::{Content, Entry, Origin, Tree, TreePath};

/// Looks at every program that a recipe from scratch copies: it has to be for the platform, and static, unless all that it
/// loads is copied too. Other recipes bring a system, which is not known before it is built.
pub(super) fn check(recipe: &Recipe, platforms: &[Platform], context: &Context) -> Result<(), Error> {
    if !matches!(recipe.source, SourceRequest::Scratch(_)) {
        return Ok(());
    }
    for platform in platforms {
        let recipe = recipe.on(*platform);
        let mut tree = source::skeleton();
        Files::gather(&recipe.files, recipe.harden.user.clone(), Epoch::default())?.apply(&mut tree)?;
        let searched = searched(&recipe);
        let own = |entry: &Entry<'_>| matches!(entry.inode.origin, Origin::Recipe(_));
        for entry in tree.entries().filter(own) {
            if let Some(content) = entry.inode.content().filter(|_| entry.inode.meta.mode & 0o111 != 0) {
                one(&tree, entry.path, content, *platform, &searched, context)?;
            }
        }
    }
    Ok(())
}

/// What is wrong with the programs that containers of an image start: one is not in `tree`, may not be executed, or is nothing
/// that a kernel starts. One that is named relative to the working folder is not looked at.
pub(super) fn cannot_start(config: &ImageConfig, tree: &Tree, platform: Platform) -> Option<String> {
    let words = config.words();
    let is_tini = |word: &String| word.rsplit('/').next() == Some("tini");
    // tini starts what comes after its own options.
    let second =
        words.first().filter(|word| is_tini(word)).and_then(|_| words.iter().skip_while(|word| *word != "--").nth(1));
    words.first().into_iter().chain(second).find_map(|program| {
        let what = cannot_start_one(program, config, tree, platform)?;
        Some(format!("the image cannot start `{program}`: {what}"))
    })
}

fn cannot_start_one(program: &str, config: &ImageConfig, tree: &Tree, platform: Platform) -> Option<String> {
    let places = match program.split_once('/') {
        Some(("", _)) => vec![program.to_owned()],
        Some(_) => return None,
        None => config.path().split(':').map(|folder| format!("{folder}/{program}")).collect(),
    };
    let found = places.iter().filter_map(|place| tree.get(&tree.resolve(&TreePath::new(place).ok()?).ok()?));
    let files: Vec<_> = found.filter(|inode| inode.content().is_some()).collect();
    let what = match files.iter().find(|inode| inode.meta.mode & 0o111 != 0) {
        // What cannot be read is found out elsewhere.
        Some(inode) => return cannot_run(inode.content()?, tree, platform).unwrap_or_default(),
        None if !files.is_empty() => "nobody may execute it",
        None if places.len() > 1 => "it is in none of the folders of PATH",
        None => "it is not there",
    };
    Some(what.to_owned())
}

/// Why a kernel of the platform would not start this file of `tree`, as far as the file and its interpreter tell.
fn cannot_run(content: &Content, tree: &Tree, platform: Platform) -> Result<Option<String>, std::io::Error> {
    Ok(match format(content)? {
        Format::Elf => {
            let Ok(Some(elf)) = elf::read_content(content) else { return Ok(None) };
            let own = platform.architecture;
            // Processors of x86-64 run the programs of 32-bit x86 too.
            let runs = |of: Architecture| own.may_run(of) || (own, of) == (Architecture::Amd64, Architecture::I386);
            let other = elf.other_system.is_some() || !elf.architecture.is_some_and(runs);
            let interpreter = elf.interpreter.as_deref().filter(|interpreter| !is_there(tree, interpreter));
            match interpreter {
                _ if other => Some(format!("it is for {}", elf.target())),
                Some(interpreter) => Some(format!("it needs `{interpreter}`, which is not there")),
                None => None,
            }
        }
        Format::Script(interpreter) => lacks_interpreter(tree, &interpreter),
        Format::MachO => Some("it is a program for macOS".to_owned()),
        Format::Windows => Some("it is a program for Windows".to_owned()),
        Format::Other => Some("it is neither a program nor a script, which begins with `#!`".to_owned()),
    })
}

fn lacks_interpreter(tree: &Tree, interpreter: &str) -> Option<String> {
    if let Some(interpreter) = interpreter.strip_suffix('\r') {
        return Some(format!("the line `#!{interpreter}` ends like those of Windows, and no kernel finds that"));
    }
    (!is_there(tree, interpreter)).then(|| format!("it is a script of `{interpreter}`, which is not there"))
}

fn is_there(tree: &Tree, path: &str) -> bool {
    TreePath::new(path).ok().and_then(|path| tree.resolve(&path).ok()).is_some_and(|place| tree.contains(&place))
}

/// Reads the first bytes of a file and says what it is.
pub(super) fn format(content: &Content) -> std::io::Result<Format> {
    let mut start = Vec::new();
    content.reader()?.take(256).read_to_end(&mut start)?;
    Ok(elf::format(&start))
}

/// The folders that programs of the image look into for libraries before others: those of `LD_LIBRARY_PATH` (ld.so(8)).
fn searched(recipe: &Recipe) -> Vec<String> {
    let value = recipe.image.environment.get("LD_LIBRARY_PATH").map(String::as_str).unwrap_or_default();
    value.split([':', ';']).filter(|folder| folder.starts_with('/')).map(str::to_owned).collect()
}

fn one(
    tree: &Tree,
    path: &TreePath,
    content: &Content,
    platform: Platform,
    searched: &[String],
    context: &Context,
) -> Result<(), ProgramError> {
    let unreadable = |source| ProgramError::Unreadable { path: path.to_string(), source };
    let warn = |what: &str| context.reporter.warn(&format!("nothing can run {path} in this image: {what}"));
    match format(content).map_err(|error| unreadable(error.into()))? {
        Format::Elf => {
            if let Some(elf) = elf::read_content(content).map_err(unreadable)? {
                elf::check(tree, path, &elf, platform, searched)?;
            }
        }
        Format::Script(interpreter) => {
            if let Some(problem) = lacks_interpreter(tree, &interpreter) {
                warn(&problem);
            }
        }
        Format::MachO => warn("it is a program for macOS"),
        Format::Windows => warn("it is a program for Windows"),
        Format::Other => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Inode;

    /// What is said of an image with these files, all of which may be executed.
    fn said(
        files: &[(&str, Content)],
        entrypoint: &[&str],
        cmd: &[&str],
        architecture: Architecture,
    ) -> Option<String> {
        let mut tree = Tree::new();
        for (path, content) in files {
            let inode = Inode::file(0o755, content.clone(), Origin::Sandbox);
            tree.insert_with_parents(TreePath::new(path).unwrap(), inode).unwrap();
        }
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let config = ImageConfig { entrypoint: words(entrypoint), cmd: words(cmd), ..ImageConfig::default() };
        let problem = cannot_start(&config, &tree, Platform { architecture });
        problem.map(|problem| problem.strip_prefix("the image cannot start ").unwrap().to_owned())
    }

    fn text(text: &str) -> Content {
        Content::bytes(text.as_bytes().to_vec())
    }

    #[test]
    fn what_no_kernel_starts_is_named() {
        let host = Architecture::host().unwrap();
        for (content, expected) in [
            ("#!/bin/sh\n", None),
            ("#! /bin/bash -e\n", Some("it is a script of `/bin/bash`, which is not there")),
            ("#!/bin/sh\r\n", Some("the line `#!/bin/sh` ends like those of Windows, and no kernel finds that")),
            ("exec app\n", Some("it is neither a program nor a script, which begins with `#!`")),
            ("MZ", Some("it is a program for Windows")),
        ] {
            let files = [("bin/sh", text("#!/bin/sh\n")), ("run.sh", text(content))];
            let expected = expected.map(|expected| format!("`/run.sh`: {expected}"));
            assert_eq!(said(&files, &["/run.sh"], &[], host), expected, "{content:?}");
        }
    }

    #[test]
    fn programs_are_for_the_platform_and_have_their_interpreter() {
        let own = std::env::current_exe().unwrap();
        let size = own.metadata().unwrap().len();
        let program = Content::Slice { path: own.into(), offset: 0, size };
        let host = Architecture::host().unwrap();
        let elf = elf::read_content(&program).unwrap().unwrap();
        let interpreter = elf.interpreter.clone();
        let files = [("app", program)];
        let lacks = interpreter.map(|interpreter| format!("`/app`: it needs `{interpreter}`, which is not there"));
        assert_eq!(said(&files, &["/app"], &[], host), lacks);
        let expected = format!("`/app`: it is for linux/{}", host.oci_name());
        assert_eq!(said(&files, &["/app"], &[], Architecture::S390x).unwrap(), expected);
    }

    #[test]
    fn what_tini_starts_is_looked_at_too() {
        let files = [("usr/bin/tini", text("#!/usr/bin/tini"))];
        let host = Architecture::host().unwrap();
        let of = |entrypoint: &[&str], cmd: &[&str]| said(&files, entrypoint, cmd, host);
        assert_eq!(of(&["/usr/bin/tini", "--"], &["/app"]).unwrap(), "`/app`: it is not there");
        assert_eq!(
            of(&["/usr/bin/tini", "-g", "--", "app"], &[]).unwrap(),
            "`app`: it is in none of the folders of PATH"
        );
        assert_eq!(of(&["/usr/bin/tini", "--"], &[]), None);
    }
}
