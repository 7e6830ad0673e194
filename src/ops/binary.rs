//! `build --binary`: the image of a program, without a recipe.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::elf::{self, Elf, Format, Kind, ProgramError};
use crate::error::Error;
use crate::ops::build::{self, BuildOptions, Built};
use crate::ops::programs;
use crate::pass::PassError;
use crate::platform::Platform;
use crate::recipe;
use crate::shared_path::SharedPath;
use crate::tree::Content;

/// Builds the image of `programs`: one, or one for each of several platforms. It has what `recipe` says; the options'
/// recipe is not read, and nothing is locked.
pub fn build(programs: &[PathBuf], options: &BuildOptions, context: &Context) -> Result<Built, Error> {
    let text = recipe(programs)?;
    let recipe = recipe::load_text(&options.recipe, text, None)?;
    if let Some(other) = options.platforms.iter().find(|asked| !recipe.platforms.contains(asked)) {
        let known: Vec<String> = recipe.platforms.iter().map(ToString::to_string).collect();
        return Err(Error::Usage {
            message: format!("cannot build for {other}: there is no program for it, but for {}", known.join(", ")),
            help: "name one more program, that is built for it: `--binary FILE`".to_owned(),
        });
    }
    build::of_recipe(&recipe, options, context)
}

/// The recipe of an image for these programs: the program as its entrypoint, run by the user that distroless images
/// have, with certificate authorities.
pub fn recipe(programs: &[PathBuf]) -> Result<String, Error> {
    let mut sources: Vec<(Platform, &Path)> = Vec::new();
    for path in programs {
        let platform = platform(path)?;
        if let Some((_, other)) = sources.iter().find(|(known, _)| *known == platform) {
            return Err(Error::Usage {
                message: format!(
                    "cannot make one image of two programs for {platform}: `{}` and `{}`",
                    other.display(),
                    path.display()
                ),
                help: "`--binary` is repeated for other platforms; for further files, write a recipe".to_owned(),
            });
        }
        sources.push((platform, path));
    }
    let first = sources.first().map(|(_, path)| *path).unwrap_or(Path::new("app"));
    let file = file_name(first);
    let name = image_name(&file);
    let platforms: Vec<String> = sources.iter().map(|(platform, _)| quoted(&platform.to_string())).collect();
    let mut table = Vec::new();
    for (platform, path) in &sources {
        let path = path.to_str().ok_or_else(|| Error::Usage {
            message: format!("cannot use `{}`: its name is not UTF-8", path.display()),
            help: "give the file another name".to_owned(),
        })?;
        table.push(format!("{} = {}", quoted(&platform.to_string()), quoted(path)));
    }
    let place = quoted(&format!("/usr/local/bin/{file}"));
    let mut text = String::new();
    let _ = write!(
        text,
        "name = {}\nplatforms = [{}]\n[from.scratch]\n\
         [[file]]\npath = {place}\nsource = {{ {} }}\nmode = \"0755\"\n\
         [harden]\nuser = {{ name = \"nonroot\", uid = 65532, home = \"/home/nonroot\" }}\n\
         [image]\nentrypoint = [{place}]\n",
        quoted(&name),
        platforms.join(", "),
        table.join(", "),
    );
    Ok(text)
}

/// What a program is for.
fn platform(path: &Path) -> Result<Platform, Error> {
    let shown = path.display().to_string();
    let local = |source| PassError::Local { path: path.to_owned(), source };
    let metadata = std::fs::metadata(path).map_err(local)?;
    if !metadata.is_file() {
        let what = if metadata.is_dir() { "a folder" } else { "no regular file" };
        let advice = "name the program itself".to_owned();
        return Err(ProgramError::NotProgram { path: shown, what, advice }.into());
    }
    let content = Content::Slice { path: SharedPath::from(path), offset: 0, size: metadata.len() };
    let unreadable = |source| ProgramError::Unreadable { path: shown.clone(), source };
    let build_for_linux = "build it for Linux: `GOOS=linux go build`, `cargo build --target x86_64-unknown-linux-musl`";
    let (what, advice) = match programs::format(&content).map_err(local)? {
        Format::Elf => match elf::read_content(&content).map_err(unreadable)? {
            Some(elf) if elf.kind == Kind::Program => return of(&elf, shown),
            Some(elf) if elf.kind == Kind::Library => ("a shared library", "name a program".to_owned()),
            _ => ("an object file", "name a program: the object file linked".to_owned()),
        },
        Format::Script(interpreter) => {
            ("a script", format!("write a recipe whose base has `{interpreter}`: `rootsmith init`"))
        }
        Format::MachO => ("a program for macOS", build_for_linux.to_owned()),
        Format::Windows => ("a program for Windows", build_for_linux.to_owned()),
        Format::Other => ("of an unknown format", "name a program that was built for Linux".to_owned()),
    };
    Err(ProgramError::NotProgram { path: shown, what, advice }.into())
}

fn of(elf: &Elf, path: String) -> Result<Platform, Error> {
    elf.platform().ok_or_else(|| {
        let known = "images are built for linux on amd64, arm64, arm, 386, ppc64le, riscv64 and s390x";
        Error::Usage {
            message: format!("cannot make an image of `{path}`: it is for {}", elf.target()),
            help: known.to_owned(),
        }
    })
}

/// The file's name in letters that need no quoting anywhere.
fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+') { c } else { '-' };
    let name: String = name.chars().map(plain).collect();
    if name.chars().all(|c| c == '.') { "app".to_owned() } else { name }
}

/// A name that registries take: small letters and digits, with single separators between them.
fn image_name(file: &str) -> String {
    let lower = file.to_ascii_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    if words.is_empty() { "app".to_owned() } else { words.join("-") }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_files_as_far_as_they_go() {
        let names = |path: &str| {
            let file = file_name(Path::new(path));
            (file.clone(), image_name(&file))
        };
        assert_eq!(names("target/release/my_Tool.v2"), ("my_Tool.v2".into(), "my-tool-v2".into()));
        assert_eq!(names("./a b\u{e4}"), ("a-b-".into(), "a-b".into()));
        assert_eq!(names("--"), ("--".into(), "app".into()));
    }

    #[test]
    fn what_is_no_program_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let error = recipe(&[path]).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{error}");
            error.to_string()
        };
        assert!(refused("script", b"#!/bin/sh\n").contains("a script"));
        assert!(refused("mac", b"\xcf\xfa\xed\xfe...").contains("macOS"));
        assert!(refused("exe", b"MZ...").contains("Windows"));
        assert!(refused("empty", b"").contains("unknown format"));
        assert!(refused("cut", b"\x7fELF\x02").contains("cannot use the program"));
        assert!(recipe(&[folder.path().to_owned()]).unwrap_err().to_string().contains("a folder"));
        assert_eq!(recipe(&[folder.path().join("nowhere")]).unwrap_err().exit_code(), 2);
    }
}
