//! Programs of scratch images: whether they start there is found out before anything is fetched.

use std::io::Read;

use crate::context::Context;
use crate::elf::{self, Format, ProgramError};
use crate::epoch::Epoch;
use crate::error::Error;
use crate::image::ImageConfig;
use crate::ops::source;
use crate::pass::{Files, Pass};
use crate::platform::Platform;
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

/// What is wrong with the program that containers of an image start: it is not in `tree`, or may not be executed. One that is
/// named relative to the working folder is not looked at.
pub(super) fn cannot_start(config: &ImageConfig, tree: &Tree) -> Option<String> {
    let program = config.program()?;
    let places = match program.split_once('/') {
        Some(("", _)) => vec![program.clone()],
        Some(_) => return None,
        None => config.path().split(':').map(|folder| format!("{folder}/{program}")).collect(),
    };
    let found = places.iter().filter_map(|place| tree.get(&tree.resolve(&TreePath::new(place).ok()?).ok()?));
    let files: Vec<_> = found.filter(|inode| inode.content().is_some()).collect();
    let what = match files.iter().any(|inode| inode.meta.mode & 0o111 != 0) {
        true => return None,
        false if !files.is_empty() => "nobody may execute it",
        false if places.len() > 1 => "it is in none of the folders of PATH",
        false => "it is not there",
    };
    Some(format!("the image cannot start `{program}`: {what}"))
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
            let place = TreePath::new(&interpreter).ok().and_then(|path| tree.resolve(&path).ok());
            if !place.is_some_and(|place| tree.contains(&place)) {
                warn(&format!("it is a script of `{interpreter}`, which is not there"));
            }
        }
        Format::MachO => warn("it is a program for macOS"),
        Format::Windows => warn("it is a program for Windows"),
        Format::Other => {}
    }
    Ok(())
}
