//! `rootsmith build` of several recipes.

use std::collections::BTreeSet;
use std::io;
use std::num::NonZeroUsize;

use serde_json::{Value, json};

use super::args::BuildArgs;
use super::build::HOLE;
use super::{Answer, Session, build, show};
use crate::dest::Target;
use crate::error::Error;
use crate::ops::many::{self, Outcome};

/// No more recipes are built at a time, unless it is asked for: each takes memory of its own.
const MOST_JOBS: NonZeroUsize = NonZeroUsize::new(4).expect("4 is not 0");

/// Builds them, shows the errors and a table, and answers with a digest and a recipe a line. The exit code is the highest
/// of the errors.
pub(super) fn build(arguments: &BuildArgs, session: &Session) -> Result<Answer, Error> {
    check(arguments)?;
    let jobs = arguments.jobs.unwrap_or_else(|| build::threads(None).min(MOST_JOBS));
    let mut options = Vec::new();
    for recipe in &arguments.recipes {
        let mut one = build::options(arguments, recipe.clone(), session)?;
        // Together they take as many processors as one alone would.
        let threads = one.threads.get() / jobs.get().min(arguments.recipes.len());
        one.threads = NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN);
        options.push(one);
    }
    let context = session.context(&arguments.network)?;
    if arguments.fresh {
        context.store.forget();
    }
    let outcomes = many::build(&options, jobs, &context);
    for outcome in &outcomes {
        if let Err(error) = &outcome.result {
            context.reporter.warn(&format!("{} was not built", outcome.recipe.display()));
            show::error(error, session.style, &mut io::stderr());
        }
    }
    table(&outcomes).iter().for_each(|line| context.reporter.note(line));
    let code = outcomes.iter().filter_map(|outcome| outcome.result.as_ref().err()).map(Error::exit_code).max();
    let answer = if arguments.json {
        Answer::json(&json!({
            "schema": "rootsmith/build-many/1",
            "recipes": outcomes.iter().map(shown).collect::<Vec<_>>(),
        }))
    } else {
        let built = outcomes.iter().filter_map(|outcome| Some((outcome.result.as_ref().ok()?, &outcome.recipe)));
        Answer::new(
            built.map(|(built, recipe)| format!("{}  {}\n", built.digest(), recipe.display())).collect::<String>(),
        )
    };
    Ok(Answer { code: code.unwrap_or(0), ..answer })
}

/// Says no where one recipe would write over what another one wrote.
fn check(arguments: &BuildArgs) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    if let Some(twice) = arguments.recipes.iter().find(|recipe| !seen.insert(recipe.as_path())) {
        return Err(Error::Usage {
            message: format!("the recipe `{}` is given twice", twice.display()),
            help: "name each recipe once".to_owned(),
        });
    }
    if let Some(lock) = &arguments.lock {
        return Err(Error::Usage {
            message: format!("`--lock {}` is one lock for {} recipes", lock.display(), arguments.recipes.len()),
            help: "leave it out: each recipe has its own lock beside it".to_owned(),
        });
    }
    if let Some(tag) = arguments.tags.iter().find(|tag| !tag.starts_with(':')) {
        return Err(Error::Usage {
            message: format!("`--tag {tag}` would name several images the same"),
            help: "give a tag alone, `--tag :TAG`, which is put on each recipe's own name".to_owned(),
        });
    }
    for output in &arguments.outputs {
        let target: Target = output.replace(HOLE, "recipe").parse()?;
        // Engines take each image by the name that its recipe has.
        let is_by_name =
            matches!(target, Target::DockerDaemon { name: None } | Target::ContainersStorage { name: None });
        let mut names = BTreeSet::new();
        let mut stems = arguments.recipes.iter().map(|recipe| recipe.file_stem());
        if !is_by_name && (!output.contains(HOLE) || !stems.all(|stem| names.insert(stem))) {
            let message = match output.contains(HOLE) {
                false => format!("`-o {output}` is one place for {} recipes", arguments.recipes.len()),
                true => format!("`-o {output}` is one place for two recipes whose files have the same name"),
            };
            let help = "write `{recipe}` where each recipe's name goes, as in `-o oci:out/{recipe}`".to_owned();
            return Err(Error::Usage { message, help });
        }
    }
    Ok(())
}

/// A line for each recipe, and one for all.
fn table(outcomes: &[Outcome]) -> Vec<String> {
    let name = |outcome: &Outcome| outcome.recipe.display().to_string();
    let width = outcomes.iter().map(|outcome| name(outcome).chars().count()).max().unwrap_or(0);
    let line = |outcome: &Outcome| {
        let what = match &outcome.result {
            Ok(built) => {
                let size: u64 = built.artifact.images().iter().map(|image| image.size()).sum();
                format!("{:>8.1} MB  {}", size as f64 / 1e6, built.source)
            }
            Err(error) => format!("not built: {error}"),
        };
        format!("{:width$}  {what}", name(outcome))
    };
    let built = outcomes.iter().filter(|outcome| outcome.result.is_ok()).count();
    outcomes.iter().map(line).chain([format!("{built} of {} recipes built", outcomes.len())]).collect()
}

fn shown(outcome: &Outcome) -> Value {
    let recipe = outcome.recipe.display().to_string();
    match &outcome.result {
        Ok(built) => json!({
            "recipe": recipe,
            "digest": built.digest().to_string(),
            "names": built.names.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "created": built.epoch.rfc3339(),
        }),
        Err(error) => json!({ "recipe": recipe, "error": error.to_string(), "exit-code": error.exit_code() }),
    }
}
