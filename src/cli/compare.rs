//! `rootsmith diff`, `verify`, and `explain` of a path.

use std::path::{Path, PathBuf};

use super::args::{DiffArgs, ExplainArgs, RecipeArgs, VerifyArgs};
use super::{Answer, Session, build, inspect};
use crate::error::Error;
use crate::ops::build::BuildOptions;
use crate::ops::diff::{self, DiffOptions};
use crate::ops::explain::{self, ExplainOptions};
use crate::ops::subject::Subject;
use crate::ops::verify::{self, Verified, VerifyOptions};

/// Compares; a difference is the answer no.
pub(super) fn diff(arguments: &DiffArgs, session: &Session) -> Result<Answer, Error> {
    let variant = arguments.recipe.variant.as_deref();
    let options = DiffOptions {
        before: subject(&arguments.before, variant, session)?,
        after: subject(&arguments.after, variant, session)?,
        platform: arguments.platform.clone(),
        times: arguments.times,
        build: how(PathBuf::new(), &arguments.recipe, session)?,
    };
    let diff = diff::diff(&options, &session.context(&arguments.recipe.network)?)?;
    let answer = match (arguments.json, arguments.markdown) {
        (true, _) => Answer::json(&diff),
        (_, true) => Answer::new(diff.to_markdown()),
        _ => Answer::new(diff.to_text()),
    };
    Ok(if diff.is_empty() { answer } else { answer.no() })
}

/// Verifies; the answer is the digest, or what is different and no.
pub(super) fn verify(arguments: &VerifyArgs, session: &Session) -> Result<Answer, Error> {
    let build = how(arguments.recipe.clone(), &arguments.how, session)?;
    let options = VerifyOptions {
        image: subject(&arguments.image, None, session)?,
        build: BuildOptions { lock: build::with_file(&arguments.lock, build.lock)?, ..build },
    };
    if matches!(options.image, Subject::Recipe { .. }) {
        return Err(Error::Usage {
            message: format!("`{}` is a recipe, not an image", arguments.image),
            help: "`rootsmith verify IMAGE --recipe RECIPE`; two recipes are compared by `rootsmith diff`".to_owned(),
        });
    }
    let context = session.context(&arguments.how.network)?;
    let verified = verify::verify(&options, &context)?;
    let answer = match (arguments.json, verified.same) {
        (true, _) => Answer::json(&verified),
        (_, true) => {
            context.reporter.note(&format!("{} is what {} gives", verified.image, verified.recipe));
            Answer::new(format!("{}\n", verified.expected))
        }
        _ => Answer::new(differences(&verified, arguments.markdown)),
    };
    Ok(if verified.same { answer } else { answer.no() })
}

/// Explains a path of an image; one where nothing is, is the answer no.
pub(super) fn explain(path: &str, image: &str, arguments: &ExplainArgs, session: &Session) -> Result<Answer, Error> {
    let options = ExplainOptions {
        path: path.to_owned(),
        image: subject(image, arguments.recipe.variant.as_deref(), session)?,
        platform: arguments.platform.clone(),
        build: how(PathBuf::new(), &arguments.recipe, session)?,
    };
    let explanation = explain::explain(&options, &session.context(&arguments.recipe.network)?)?;
    let answer = if arguments.json { Answer::json(&explanation) } else { Answer::new(explanation.to_text()) };
    Ok(if explanation.facts.is_some() { answer } else { answer.no() })
}

fn differences(verified: &Verified, markdown: bool) -> String {
    let shown =
        |digest: Option<crate::digest::Digest>| digest.map_or("without a digest".to_owned(), |it| it.to_string());
    let mut text = format!(
        "{} is not what {} gives\n  found     {}\n  expected  {}\n",
        verified.image,
        verified.recipe,
        shown(verified.found),
        verified.expected
    );
    let platforms = verified.platforms.iter();
    if platforms.clone().all(|platform| platform.same) {
        text.push_str("\nthe images are the same; the index that names them is not\n");
    }
    for platform in platforms.filter(|platform| !platform.same) {
        text.push_str(&format!("\n{}\n", platform.platform));
        platform.notes.iter().for_each(|note| text.push_str(&format!("{note}\n")));
        if let Some(diff) = platform.diff.as_ref().filter(|diff| !diff.is_empty()) {
            text.push_str(&if markdown { diff.to_markdown() } else { diff.to_text() });
        }
    }
    text
}

fn how(recipe: PathBuf, arguments: &RecipeArgs, session: &Session) -> Result<BuildOptions, Error> {
    build::plain_options(recipe, arguments.variant.clone(), &arguments.network, &arguments.secrets, session)
}

/// What a text names: a transport and a place, or a path at which it is looked what is there.
fn subject(text: &str, variant: Option<&str>, session: &Session) -> Result<Subject, Error> {
    let folder = &session.environment.folder;
    if let Some(path) = inspect::rootfs_folder(text, folder) {
        return Ok(Subject::Folder(path));
    }
    if Path::new(text).extension().is_some_and(|extension| extension == "toml") && !text.contains(':') {
        return Ok(Subject::Recipe { path: text.into(), variant: variant.map(str::to_owned) });
    }
    if text.contains("://") || text.starts_with("docker-daemon:") {
        return Ok(Subject::Elsewhere { name: text.to_owned(), source: text.parse()? });
    }
    let (path, tag) = inspect::place(text)?;
    Ok(Subject::Stored { path, tag })
}
