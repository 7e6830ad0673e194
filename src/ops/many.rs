//! Many recipes in one run: with one store, several at a time, and one that cannot be built does not stop the others.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::context::Context;
use crate::error::Error;
use crate::ops::build::{self, BuildOptions, Built};
use crate::ops::source::mirrors;
use crate::report::{Event, Reporter};

/// What became of one recipe.
#[derive(Debug)]
pub struct Outcome {
    /// The recipe.
    pub recipe: PathBuf,
    /// Its image, or why there is none.
    pub result: Result<Built, Error>,
}

/// Builds all of them, at most `jobs` at a time; the outcomes are in the order of the options.
///
/// Progress of each goes unreported, but for notes and warnings, which say whose they are.
pub fn build(options: &[BuildOptions], jobs: NonZeroUsize, context: &Context) -> Vec<Outcome> {
    let options = &sharing(options);
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<Result<Built, Error>>>> = Mutex::new(options.iter().map(|_| None).collect());
    let work = || {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(one) = options.get(place) else { return };
            let name = one.recipe.display().to_string();
            context.reporter.note(&format!("{name}: begun"));
            let reporter = Arc::new(Named { name, reporter: Arc::clone(&context.reporter) });
            let result = build::build(one, &Context { reporter, ..context.clone() });
            results.lock().expect("no thread panics while it holds the results")[place] = Some(result);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs.get().min(options.len()) {
            scope.spawn(work);
        }
    });
    let results = results.into_inner().expect("no thread panicked, or the scope would have");
    let outcome = |(one, result): (&BuildOptions, Option<_>)| Outcome {
        recipe: one.recipe.clone(),
        result: result.expect("every recipe was taken by a thread"),
    };
    options.iter().zip(results).map(outcome).collect()
}

/// The same options, of which each knows the repositories of all recipes: a mirror need not be for every one.
fn sharing(options: &[BuildOptions]) -> Vec<BuildOptions> {
    let Some(first) = options.first() else { return Vec::new() };
    let recipes = options.iter().map(|one| (one.recipe.as_path(), one.variant.as_deref()));
    let known = mirrors::of_all(recipes, &first.lock);
    let mut shared = options.to_vec();
    shared.iter_mut().for_each(|one| one.lock.mirrors.elsewhere.clone_from(&known));
    shared
}

/// Says whose notes and warnings they are. Phases of several builds at once would only be confused with each other.
struct Named {
    name: String,
    reporter: Arc<dyn Reporter>,
}

impl Reporter for Named {
    fn report(&self, event: Event<'_>) {
        let Self { name, reporter } = self;
        match event {
            Event::Note(text) => reporter.note(&format!("{name}: {text}")),
            Event::Warning(text) => reporter.warn(&format!("{name}: {text}")),
            Event::Begin { .. } | Event::Advance { .. } | Event::End { .. } => {}
        }
    }
}
