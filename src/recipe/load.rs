//! Reading a recipe: its files, one over the other, into checked values.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::string::FromUtf8Error;
use std::sync::Arc;

use toml::de::DeTable;

use super::fields::Fields;
use super::mistake::{Mistake, Notebook, RecipeErrors, RecipeFile, Remarks};
use super::shape::{ANY, Key, Keys, Shape, Text, text};
use super::value::{Item, Place, Table, Value, located};
use super::words::Misfit;
use super::{FileEntry, FileKind, Harden, Init, Mode, PackageRequest, Places, Recipe, SourceRequest, TINI_PLACES};
use super::{conda, file, from, harden, image, os_release, prune};
use crate::platform::{Architecture, Platform};

/// The keys that both a recipe and its variants have.
const COMMON: &[Key] = &[
    Key { name: "name", shape: Shape::Text(NAME), about: "the image's name, such as `trixie` or `team/base`" },
    Key { name: "description", shape: Shape::Text(ANY), about: "what the image is, in a line" },
    Key {
        name: "platforms",
        shape: Shape::List(&Shape::Text(file::PLATFORM)),
        about: "what it is made for, such as `linux/amd64`; the host where it is not given",
    },
    Key { name: "from", shape: Shape::Table(&from::KEYS), about: "where the root filesystem comes from" },
    Key {
        name: "file",
        shape: Shape::Set(&Shape::Table(&file::FILE), file::is_file),
        about: "what is put into the image",
    },
    Key { name: "run", shape: Shape::Set(&Shape::Table(&file::RUN), file::is_run), about: "what runs in the image" },
    Key {
        name: "conda",
        shape: Shape::Set(&Shape::Table(&conda::KEYS), conda::is_environment),
        about: "conda environments, as further layers",
    },
    Key { name: "prune", shape: Shape::Table(&prune::KEYS), about: "what is left out" },
    Key { name: "harden", shape: Shape::Table(&harden::KEYS), about: "what makes it harder to misuse" },
    Key { name: "certificates", shape: Shape::Table(&harden::CERTIFICATES), about: "certificate authorities to trust" },
    Key { name: "os-release", shape: os_release::SHAPE, about: os_release::ABOUT },
    Key { name: "image", shape: Shape::Table(&image::KEYS), about: "what the image says" },
    Key { name: "layer", shape: Shape::Table(&image::LAYER), about: "how the layer is written" },
];

/// The keys of a recipe.
pub(super) static RECIPE: Keys = Keys {
    name: "the recipe",
    groups: &[
        COMMON,
        &[
            Key { name: "extends", shape: Shape::Text(ANY), about: "a recipe to start from, by its path" },
            Key {
                name: "variant",
                shape: Shape::Tables(&VARIANT),
                about: "variants of the image, each with keys of its own",
            },
        ],
    ],
    later: LATER,
};

static VARIANT: Keys = Keys { name: "a variant", groups: &[COMMON], later: LATER };
const LATER: &[&str] = &["policy"];
const NAME: Text = text::<Name>("a name");

/// Reads the recipe at `path`, what it extends, and the tables of `variant`.
///
/// Fails with every mistake at once. Local files that the recipe names are looked for, not read.
pub fn load(path: &Path, variant: Option<&str>) -> Result<Recipe, RecipeErrors> {
    finish(path, read_text(path), variant)
}

/// The same for a recipe of this text, which is or will be at `path`.
pub fn load_text(path: &Path, text: String, variant: Option<&str>) -> Result<Recipe, RecipeErrors> {
    finish(path, Ok(text), variant)
}

fn finish(path: &Path, text: io::Result<String>, variant: Option<&str>) -> Result<Recipe, RecipeErrors> {
    let mut notebook = Notebook::default();
    let recipe = read(path, text, variant, &mut notebook);
    match (notebook.finish(), recipe) {
        (Ok(Remarks { warnings, absent }), Some(recipe)) => {
            Ok(Recipe { warnings: warnings.into(), absent: absent.into(), ..recipe })
        }
        (Ok(Remarks { warnings: problems, .. }) | Err(problems), _) => {
            Err(RecipeErrors { recipe: path.to_owned(), problems: problems.into() })
        }
    }
}

fn read(path: &Path, text: io::Result<String>, variant: Option<&str>, notebook: &mut Notebook) -> Option<Recipe> {
    let layers = read_chain(path, text, notebook);
    let notebook = &*notebook;
    from::check_one(&layers, variant, notebook);
    let mut variants = BTreeMap::new();
    let mut recipe = Table::new();
    let mut overlays = Vec::new();
    let place = layers.first().map_or(Place { file: 0, start: 0, end: 0 }, |layer| Place { end: 0, ..layer.place });
    // The farthest ancestor is the lowest layer.
    for layer in layers.into_iter().rev() {
        let Value::Table(mut table) = Shape::Table(&RECIPE).check("recipe", layer, notebook).value else { continue };
        table.remove("extends");
        if let Some((_, Item { value: Value::Table(tables), .. })) = table.remove("variant") {
            for (name, (place, item)) in tables {
                if variant == Some(name.as_str())
                    && let Value::Table(table) = item.value
                {
                    overlays.push(table);
                }
                variants.entry(name).or_insert(place);
            }
        }
        from::give_way(&mut recipe, &table);
        recipe = RECIPE.merge(recipe, table, notebook);
    }
    for overlay in overlays {
        from::give_way(&mut recipe, &overlay);
        recipe = RECIPE.merge(recipe, overlay, notebook);
    }
    let variants: Vec<String> = variants.into_keys().collect();
    if let Some(name) = variant
        && !variants.iter().any(|known| known == name)
        && !notebook.files.is_empty()
    {
        notebook.error_nowhere(Mistake::NoSuchVariant { name: name.to_owned(), known: variants.clone() });
    }
    let places = Places::of(&recipe, &notebook.files);
    let recipe = decode(Fields::new(&RECIPE, place, recipe, notebook), variant.map(str::to_owned), variants)?;
    Some(Recipe { places, ..recipe })
}

/// The recipe and what it extends, nearest first, as far as they can be read.
fn read_chain(path: &Path, text: io::Result<String>, notebook: &mut Notebook) -> Vec<Item> {
    let mut layers = Vec::new();
    let mut next = Some((path.to_owned(), text, None));
    let mut seen = Vec::new();
    while let Some((path, text, named)) = next.take() {
        let text = match text {
            Ok(text) => text,
            Err(source) => {
                let mistake = Mistake::Read { path, source };
                match named {
                    Some(place) => notebook.error(place, mistake),
                    None => notebook.error_nowhere(mistake),
                }
                notebook.lacks_file = named.is_some();
                break;
            }
        };
        let identity = fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
        if seen.contains(&identity) {
            if let Some(place) = named {
                notebook.error(place, Mistake::Cycle(path));
            }
            break;
        }
        seen.push(identity);
        let file = notebook.files.len();
        let folder =
            if is_stream(&path) { PathBuf::new() } else { path.parent().map(Path::to_owned).unwrap_or_default() };
        notebook.files.push(RecipeFile { path: path.clone(), folder, text: Arc::from(text.as_str()) });
        let (document, errors) = DeTable::parse_recoverable(&text);
        let mut lines = BTreeSet::new();
        for error in errors {
            let span = error.span().unwrap_or_default();
            let place = Place { file, start: span.start, end: span.end };
            // The parser says several things of one mistake.
            if !lines.insert(text.bytes().take(span.start).filter(|byte| *byte == b'\n').count()) {
                continue;
            }
            notebook.error(place, Mistake::Syntax(error.message().to_owned()));
        }
        let layer = located(document, file);
        next = parent(&layer, &notebook.files[file].folder);
        layers.push(layer);
    }
    layers
}

/// Whether a recipe is read from what is no file: the standard input (`-`), a pipe, a device. Nothing is beside such.
pub fn is_stream(path: &Path) -> bool {
    path == Path::new(STANDARD_INPUT) || fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// What stands for the standard input.
const STANDARD_INPUT: &str = "-";

fn read_text(path: &Path) -> io::Result<String> {
    // A recipe is written by hand; what is larger is another file by mistake.
    const MOST: u64 = 4 << 20;
    let mut bytes = Vec::new();
    // Not all that can be read has a size: devices and pipes go on as long as they like.
    let mut source: Box<dyn Read> =
        if path == Path::new(STANDARD_INPUT) { Box::new(io::stdin().lock()) } else { Box::new(fs::File::open(path)?) };
    source.by_ref().take(MOST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "a recipe has at most 4 MiB"));
    }
    let text =
        String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, not_text(&error)))?;
    // TOML lets readers do so: the checkout's line ends never count, not even in the text of a `[[file]]`.
    Ok(text.replace("\r\n", "\n"))
}

/// What to do about a file that is not UTF-8.
fn not_text(error: &FromUtf8Error) -> String {
    let bytes = error.as_bytes();
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return "it is text in UTF-16: save it as UTF-8".to_owned();
    }
    let good = error.utf8_error().valid_up_to();
    let line = bytes[..good].iter().filter(|byte| **byte == b'\n').count() + 1;
    format!("its line {line} is not text in UTF-8: save it in that encoding, if it is a recipe")
}

/// The file that a layer of a file in `folder` extends, with its text and the place that names it.
fn parent(layer: &Item, folder: &Path) -> Option<(PathBuf, io::Result<String>, Option<Place>)> {
    let Value::Table(table) = &layer.value else { return None };
    let (_, item) = table.get("extends")?;
    let parent = folder.join(item.value.as_text()?);
    let text = read_text(&parent);
    Some((parent, text, Some(item.place)))
}

fn decode(mut fields: Fields<'_>, variant: Option<String>, variants: Vec<String>) -> Option<Recipe> {
    let (notebook, place) = (fields.notebook(), fields.place);
    if notebook.files.is_empty() {
        return None;
    }
    let name = fields.required::<Name>("name");
    let description = fields.string("description");
    let platforms_place = fields.place_of("platforms");
    let platforms = read_platforms(&mut fields);
    let source = fields.table("from", &from::KEYS).and_then(from::read);
    let files: Vec<_> = fields
        .tables("file", &file::FILE)
        .into_iter()
        .filter_map(|fields| {
            let place = fields.place_of("path").unwrap_or(fields.place);
            Some((place, file::read_file(fields, &platforms)?))
        })
        .collect();
    file::check_twice(&files, notebook);
    let mut files: Vec<FileEntry> = files.into_iter().map(|(_, file)| file).collect();
    let runs: Vec<_> = fields.tables("run", &file::RUN).into_iter().filter_map(file::read_run).collect();
    let conda: Vec<_> = fields.tables("conda", &conda::KEYS).into_iter().filter_map(conda::read).collect();
    conda::check_twice(&conda, notebook);
    let prune = fields.table("prune", &prune::KEYS).map(prune::read).unwrap_or_default();
    let harden = fields.table("harden", &harden::KEYS).map(harden::read).unwrap_or_default();
    let certificates = fields.table("certificates", &harden::CERTIFICATES).map(harden::read_certificates);
    let os_release = os_release::read(&mut fields, "os-release");
    let tags_place = fields.places_in("image").get("tags").copied();
    let image = fields.table("image", &image::KEYS).map(image::read).unwrap_or_default();
    let layer = fields.table("layer", &image::LAYER).map(image::read_layer).unwrap_or_default();
    fields.finish();
    let mut source = source?;
    image.check_tags(&source, name.as_ref().map(|name| name.0.as_str()), tags_place, notebook);
    if let SourceRequest::Host(_) = &source
        && platforms.len() > 1
    {
        let what = "more than one platform with `[from.host]`: a machine is for one".to_owned();
        notebook.error(platforms_place.unwrap_or(place), Mistake::Clash(what, "name the one that it is for"));
    }
    if let SourceRequest::Archive(archive) = &source {
        archive.check_platforms(&platforms, platforms_place.unwrap_or(place), notebook);
    }
    files.extend(local_init(&harden));
    if let SourceRequest::Scratch(scratch) = &mut source {
        let is_there = files.iter().any(|file| TINI_PLACES.contains(&file.path.as_str()));
        scratch.tini.take_if(|_| harden.init != Init::Tini || is_there);
    }
    if let SourceRequest::Debian(debian) = &mut source
        && harden.init == Init::Tini
        && harden.local_init.is_none()
        && !debian.packages.iter().any(|package| package.name == "tini")
    {
        debian.packages.push(PackageRequest {
            name: "tini".to_owned(),
            architecture: None,
            version: None,
            suite: None,
        });
    }
    Some(Recipe {
        name: name?.0,
        description,
        variant,
        variants,
        platforms,
        source,
        files,
        runs,
        conda: conda.into_iter().map(|(_, request)| request).collect(),
        prune,
        harden,
        certificates: certificates.unwrap_or_default(),
        os_release,
        image,
        layer,
        sources: notebook.files.iter().map(|file| file.path.clone()).collect(),
        folder: notebook.files[0].folder.clone(),
        warnings: Arc::default(),
        absent: Arc::default(),
        places: Places::default(),
    })
}

/// The file of an init that the recipe has itself.
fn local_init(harden: &Harden) -> Option<FileEntry> {
    let path = TINI_PLACES[0].parse().expect("it is a path of the image");
    let what = FileKind::Copy(harden.local_init.clone()?);
    Some(FileEntry { path, what, mode: Some(Mode(0o755)), owner: None, digest: None })
}

fn read_platforms(fields: &mut Fields<'_>) -> Vec<Platform> {
    let place = fields.place_of("platforms");
    let count = fields.count("platforms");
    let Some(texts) = fields.strings("platforms") else {
        let host = Architecture::host().map(|architecture| Platform { architecture });
        if host.is_none() && place.is_none() {
            let clash =
                "the recipe names no platform, and this machine's is not one that images are made for".to_owned();
            fields.error(None, Mistake::Clash(clash, "add `platforms`, such as `platforms = [\"linux/amd64\"]`"));
        }
        return host.into_iter().collect();
    };
    let platforms: Vec<Platform> = texts.iter().filter_map(|text| text.parse().ok()).collect();
    for (at, platform) in platforms.iter().enumerate() {
        if let (true, Some(place)) = (platforms[..at].contains(platform), place) {
            fields.error(Some(place), Mistake::Twice { what: platform.to_string(), key: "platforms" });
        }
    }
    if count == Some(0) {
        let clash = "the list of platforms is empty".to_owned();
        fields.error(place, Mistake::Clash(clash, "leave it out to build for this machine"));
    }
    platforms
}

/// An image's name: what a registry takes as a repository (OCI distribution spec, "Pulling manifests").
struct Name(String);

impl FromStr for Name {
    type Err = Misfit;

    fn from_str(found: &str) -> Result<Self, Misfit> {
        let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let separator = |text: &str| matches!(text, "." | "_" | "__") || text.bytes().all(|byte| byte == b'-');
        let fits = |component: &str| {
            let separators = component.split(|character: char| character.is_ascii() && alphanumeric(character as u8));
            let ends = |byte: Option<&u8>| byte.is_some_and(|byte| alphanumeric(*byte));
            let bytes = component.as_bytes();
            ends(bytes.first()) && ends(bytes.last()) && separators.filter(|text| !text.is_empty()).all(separator)
        };
        if found.len() <= 255 && found.split('/').all(fits) {
            return Ok(Self(found.to_owned()));
        }
        let expected = "small letters and digits, with `.`, `_`, `-` and `/` between them";
        Err(Misfit::new(found, "a name of an image", expected))
    }
}
