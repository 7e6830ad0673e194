//! From a recipe's words to an image's configuration.

use serde_json::Value;

use crate::archive::{Compression, Effort};
use crate::epoch::Epoch;
use crate::error::Error;
use crate::image::ImageConfig;
use crate::oci::Reference;
use crate::pass;
use crate::recipe::{self, Recipe};
use crate::source::oci::Inherited;
use crate::tree::{Tree, TreePath};

/// What the history of an image says of its layer. Scanners read meanings into more words than these.
pub(super) const CREATED_BY: &str = "rootsmith: root filesystem";

/// How the layer is compressed.
pub(super) fn compression(recipe: &Recipe) -> Compression {
    match recipe.layer.compression {
        recipe::Compression::Gzip => Compression::Gzip,
        recipe::Compression::Zstd => Compression::Zstd,
        recipe::Compression::None => Compression::None,
    }
}

/// How much time goes into making the layer small.
pub(super) fn effort(recipe: &Recipe) -> Effort {
    if recipe.layer.best { Effort::Best } else { Effort::Normal }
}

/// The names of the image: those of the command line, else the recipe's name with its tags. A name of the command line
/// that starts with `:` is only a tag; its tag may have the holes of the recipe's.
pub(super) fn names(recipe: &Recipe, tags: &[String], epoch: Epoch) -> Result<Vec<Reference>, Error> {
    let full = |tag: &String| format!("{}:{tag}", recipe.name);
    let names: Vec<String> = if tags.is_empty() {
        recipe.tags(epoch)?.iter().map(full).collect()
    } else {
        tags.iter().map(|tag| filled(recipe, tag, epoch)).collect::<Result<_, _>>()?
    };
    let mut all: Vec<Reference> = Vec::new();
    for name in names {
        let name = name.parse()?;
        // Two tags may come out as the same one.
        if !all.contains(&name) {
            all.push(name);
        }
    }
    Ok(all)
}

/// A name of the command line, with the holes of its tag filled. A hole without a value is an error: who types it wants it.
fn filled(recipe: &Recipe, given: &str, epoch: Epoch) -> Result<String, Error> {
    let text = if given.starts_with(':') { format!("{}{given}", recipe.name) } else { given.to_owned() };
    let Some(hole) = text.find('{') else { return Ok(text) };
    let wrong = |message: String| Error::Usage {
        message,
        help: "only tags have holes, and those of recipes: `-t :{suite}-{epoch:%Y%m%d}`".to_owned(),
    };
    let colon = text[..hole].rfind(':').ok_or_else(|| wrong(format!("`{given}` is not a name with a tag")))?;
    let (name, tag) = (&text[..colon], &text[colon + 1..]);
    let tag = recipe.fill(&tag.parse()?, epoch)?;
    let tag = tag.ok_or_else(|| wrong(format!("the tag of `{given}` has a hole that this recipe does not fill")))?;
    Ok(format!("{name}:{tag}"))
}

/// What the image says about running it.
/// What it says itself replaces what an image that it starts from hands down: an
/// entrypoint takes the other's arguments away, as in a Dockerfile.
pub(super) fn image(recipe: &Recipe, tree: &Tree, from: &Inherited) -> Result<ImageConfig, Error> {
    let settings = &recipe.image;
    let mut inherited = from.config.clone();
    let mut entrypoint = settings.entrypoint.clone();
    if settings.replaces_entrypoint || settings.replaces_cmd {
        inherited.remove("Cmd");
    }
    if let (Some(Value::Array(words)), false) = (inherited.remove("Entrypoint"), settings.replaces_entrypoint) {
        entrypoint = words.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect();
    }
    let mut labels = settings.labels.clone();
    let mut label = |name: &str, value: &str| {
        labels.entry(format!("org.opencontainers.image.{name}")).or_insert_with(|| value.to_owned());
    };
    label("title", &recipe.name);
    if let Some(description) = &recipe.description {
        label("description", description);
    }
    Ok(ImageConfig {
        user: recipe.user().map(|user| numbers(&user, tree)).transpose()?,
        env: settings.environment.clone().into_iter().collect(),
        entrypoint: recipe.with_init(pass::init(tree).unwrap_or_default(), entrypoint),
        cmd: settings.cmd.clone(),
        working_dir: settings.workdir.as_ref().map(ToString::to_string),
        labels,
        stop_signal: settings.stop_signal.as_ref().map(|signal| signal.as_str().to_owned()),
        exposed_ports: settings.ports.iter().map(|port| port.as_str().parse()).collect::<Result<_, _>>()?,
        volumes: settings.volumes.iter().map(ToString::to_string).collect(),
        author: settings.author.clone().or_else(|| from.author.clone()),
        inherited,
        annotations: from.annotations.clone(),
    })
}

/// `user[:group]` in numbers, looked up in the image where they are names.
pub(super) fn numbers(user: &str, tree: &Tree) -> Result<(u32, u32), Error> {
    let (user, group) = user.split_once(':').map_or((user, None), |(user, group)| (user, Some(group)));
    let unknown = |name: &str| Error::UnknownUser { name: name.to_owned() };
    let (uid, own_group) = match user.parse() {
        Ok(uid) => (uid, account(tree, "etc/passwd", |fields| fields[2] == user)),
        Err(_) => {
            let fields = account(tree, "etc/passwd", |fields| fields[0] == user).ok_or_else(|| unknown(user))?;
            (fields[2].parse().map_err(|_| unknown(user))?, Some(fields))
        }
    };
    let gid = match group {
        Some(group) => match group.parse() {
            Ok(gid) => Some(gid),
            Err(_) => {
                let fields = account(tree, "etc/group", |fields| fields[0] == group).ok_or_else(|| unknown(group))?;
                fields[2].parse().ok()
            }
        },
        None => own_group.and_then(|fields| fields[3].parse().ok()).or(Some(0)),
    };
    Ok((uid, gid.ok_or_else(|| unknown(user))?))
}

/// The fields of the first line of passwd(5) or group(5) that fits.
fn account(tree: &Tree, file: &'static str, fits: impl Fn(&[String]) -> bool) -> Option<Vec<String>> {
    let path = tree.resolve(&TreePath::literal(file)).ok()?;
    let bytes = tree.get(&path)?.content()?.read().ok()?;
    let lines = String::from_utf8_lossy(&bytes).into_owned();
    let fields = |line: &str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
    lines.lines().map(fields).find(|fields| fields.len() >= 4 && fits(fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_of(tags: &[&str], from: &str) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("r.toml");
        std::fs::write(&file, format!("name = \"team/app\"\nplatforms = [\"linux/amd64\"]\n{from}")).unwrap();
        let recipe = recipe::load(&file, None).unwrap();
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        let names = names(&recipe, &tags, Epoch::from_seconds(1_700_000_000)).map_err(|error| error.to_string())?;
        Ok(names.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn tags_of_the_command_line_have_the_holes_of_recipes() {
        let debian = "[from.debian]\nsuite = \"trixie\"\n";
        let given = [":{suite}-{epoch:%Y}", "localhost:5000/x:{epoch}", "localhost:5000/x", ":1", "y:2"];
        let expected = ["team/app:trixie-2023", "localhost:5000/x:20231114", "localhost:5000/x", "team/app:1", "y:2"];
        let found = names_of(&given, debian).unwrap();
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.ends_with(expected) || found.contains(expected), "{found}, not {expected}");
        }
        assert_eq!(names_of(&[":1", ":{epoch:%Y}", ":1", ":2023"], debian).unwrap().len(), 2, "a name is told once");
        let twice = format!("[image]\ntags = [\"a\", \"a\"]\n{debian}");
        assert_eq!(names_of(&[], &twice).unwrap().len(), 1);
        let dnf = "[from.dnf]\ndistribution = \"fedora\"\nrelease = \"43\"\n";
        assert!(names_of(&[":{suite}"], dnf).unwrap()[0].contains("team/app:43"));
        for wrong in [":{variant}", "{name}", "x{name}:1", ":{suit}", ":{suite"] {
            assert!(names_of(&[wrong], debian).is_err(), "{wrong}");
        }
        assert!(names_of(&[":{suite}"], "[from.scratch]\n").unwrap_err().contains("does not fill"));
    }
}
