//! `rootsmith init`: a recipe to start from.

use std::path::Path;

use miette::Diagnostic;

use crate::recipe::{self, DebianRequest, Distribution, RecipeErrors, SourceRequest};

/// What goes into the recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitOptions {
    /// The image's name.
    pub name: String,
    /// The suite that packages come from.
    pub suite: String,
    /// Packages beside those that are there from the start.
    pub packages: Vec<String>,
    /// The user that the image runs as, with its number; none for root.
    pub user: Option<(String, u32)>,
    /// Whether tini becomes process 1.
    pub init: bool,
    /// Whether documentation, manual pages and translations are left out.
    pub slim: bool,
}

/// A question whose answer sets one of the options. They are asked in the order of [`Question::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Sets [`InitOptions::name`].
    Name,
    /// Sets [`InitOptions::suite`].
    Suite,
    /// Sets [`InitOptions::packages`].
    Packages,
    /// Sets [`InitOptions::user`].
    User,
    /// Sets [`InitOptions::init`].
    Init,
    /// Sets [`InitOptions::slim`].
    Slim,
}

/// Why there is no recipe.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum InitError {
    /// The options make a recipe that would be refused.
    #[error("{message}")]
    Refused {
        /// What is wrong with it.
        message: String,
        /// What to write instead, where that can be guessed.
        #[help]
        help: Option<String>,
    },
    /// The questions ended before the answers did.
    #[error("there was no answer")]
    NoAnswer,
    /// An answer that is neither yes nor no.
    #[error("`{0}` is neither yes nor no")]
    #[diagnostic(help("answer `y` or `n`"))]
    YesOrNo(String),
    /// The number of a user is none.
    #[error("`{0}` is not a user")]
    #[diagnostic(help("write a name, or a name and a number such as `app:10001`, or `root`"))]
    User(String),
}

/// The number of the recipe's user where none is given: above those that distributions give away.
const UID: u32 = 10001;

/// The text of a recipe for these options, with comments. [`recipe::load`] accepts it; the error is what it would say
/// otherwise.
pub fn init(options: &InitOptions) -> Result<String, InitError> {
    let read = |components: &[&str]| {
        let text = write(options, components);
        let loaded = recipe::load_text(Path::new("recipe.toml"), text.clone(), None);
        loaded.map(|recipe| (text, recipe.source)).map_err(|errors| refused(&errors))
    };
    let (text, source) = read(&["main"])?;
    let is_ubuntu =
        |source| matches!(source, SourceRequest::Debian(DebianRequest { distribution: Distribution::Ubuntu, .. }));
    if options.init && is_ubuntu(source) {
        // Ubuntu has tini in universe.
        return Ok(read(&["main", "universe"])?.0);
    }
    Ok(text)
}

impl Question {
    /// Every question, in the order in which they are asked.
    pub const ALL: [Self; 6] = [Self::Name, Self::Suite, Self::Packages, Self::User, Self::Init, Self::Slim];

    /// What a person is asked.
    pub fn prompt(self) -> &'static str {
        match self {
            Self::Name => "Name of the image",
            Self::Suite => "Suite of Debian or Ubuntu",
            Self::Packages => "Packages to add, with spaces between them",
            Self::User => "User it runs as (`root` for none)",
            Self::Init => "Run tini as process 1, to reap orphans and pass signals on?",
            Self::Slim => "Leave out documentation, manual pages and translations?",
        }
    }

    /// The answer that an empty line stands for.
    pub fn default(self) -> &'static str {
        match self {
            Self::Name => "base",
            Self::Suite => "trixie",
            Self::Packages => "ca-certificates",
            Self::User => "app:10001",
            Self::Init => "yes",
            Self::Slim => "no",
        }
    }

    /// Takes an answer into the options, which an error leaves as they were.
    pub fn answer(self, options: &mut InitOptions, answer: &str) -> Result<(), InitError> {
        let answer = answer.trim();
        let mut changed = options.clone();
        match self {
            Self::Name => changed.name = answer.to_owned(),
            Self::Suite => changed.suite = answer.to_owned(),
            Self::Packages => changed.packages = answer.split_whitespace().map(str::to_owned).collect(),
            Self::User => changed.user = user(answer)?,
            Self::Init => changed.init = yes(answer)?,
            Self::Slim => changed.slim = yes(answer)?,
        }
        init(&changed)?;
        *options = changed;
        Ok(())
    }
}

impl Default for InitOptions {
    /// The answers that empty lines stand for.
    fn default() -> Self {
        Self {
            name: "base".to_owned(),
            suite: "trixie".to_owned(),
            packages: vec!["ca-certificates".to_owned()],
            user: Some(("app".to_owned(), UID)),
            init: true,
            slim: false,
        }
    }
}

fn user(answer: &str) -> Result<Option<(String, u32)>, InitError> {
    let (name, uid) = match answer.split_once(':') {
        Some((name, uid)) => (name, uid.parse().map_err(|_| InitError::User(answer.to_owned()))?),
        None => (answer, UID),
    };
    Ok((name != "root").then(|| (name.to_owned(), uid)))
}

fn yes(answer: &str) -> Result<bool, InitError> {
    match answer.to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(true),
        "n" | "no" => Ok(false),
        _ => Err(InitError::YesOrNo(answer.to_owned())),
    }
}

fn refused(errors: &RecipeErrors) -> InitError {
    let texts: Vec<_> = errors.problems.iter().map(ToString::to_string).collect();
    let helps: Vec<_> = errors.problems.iter().filter_map(|problem| Some(problem.help()?.to_string())).collect();
    InitError::Refused { message: texts.join("; "), help: (!helps.is_empty()).then(|| helps.join("; ")) }
}

fn write(options: &InitOptions, components: &[&str]) -> String {
    let InitOptions { name, suite, packages, user, init, slim } = options;
    let mut text = format!(
        "# A recipe for rootsmith: `rootsmith build FILE -o oci:out` makes the image.\n\
         # Every key is described in docs/recipe.md; `rootsmith schema` prints a JSON schema for editors.\n\n\
         name = {}\n\n\
         [from.debian]\n\
         suite = {}\n\
         variant = \"minbase\"                   # essential | apt | minbase | buildd | important | standard | custom\n\
         packages = {}\n",
        quote(name),
        quote(suite),
        list(packages)
    );
    if components != ["main"] {
        text.push_str(&format!("components = {}\n", list(components)));
    }
    text.push_str("# snapshot = \"20261101T000000Z\"        # build from the archive as it was then\n");
    text.push_str("\n# Files of your own:\n# [[file]]\n# path = \"/usr/local/bin/app\"\n# source = \"./app\"\n");
    if *slim {
        text.push_str("\n[prune]\npresets = [\"docs\", \"man\", \"info\", \"locales\", \"caches\", \"logs\"]\n");
    }
    text.push_str("\n[harden]\nprofile = \"baseline\"                  # no setuid bits, no capabilities, locked accounts, sane modes\n");
    if let Some((user, uid)) = user {
        let (user, home) = (quote(user), quote(&format!("/home/{user}")));
        text.push_str(&format!("user = {{ name = {user}, uid = {uid}, gid = {uid}, home = {home} }}\n"));
    }
    if *init {
        text.push_str("init = \"tini\"                         # process 1: reaps orphans, passes signals on\n");
    }
    text.push_str(
        "\n[image]\ntags = [\"latest\", \"{suite}-{epoch:%Y%m%d}\"]\ncmd = [\"bash\"]\nenv = { LANG = \"C.UTF-8\" }\n",
    );
    text
}

fn quote(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn list(texts: &[impl AsRef<str>]) -> String {
    let quoted: Vec<_> = texts.iter().map(|text| quote(text.as_ref())).collect();
    format!("[{}]", quoted.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn debian(source: &SourceRequest) -> &DebianRequest {
        #[allow(irrefutable_let_patterns, reason = "other sources follow")]
        let SourceRequest::Debian(debian) = source else { panic!("{source:?}") };
        debian
    }

    fn load(options: &InitOptions) -> recipe::Recipe {
        recipe::load_text(Path::new("recipe.toml"), init(options).unwrap(), None).unwrap()
    }

    #[test]
    fn the_recipe_says_what_the_options_do() {
        let recipe = load(&InitOptions::default());
        assert_eq!((recipe.name.as_str(), recipe.user().as_deref()), ("base", Some("10001:10001")));
        let debian = debian(&recipe.source);
        let packages: Vec<_> = debian.packages.iter().map(ToString::to_string).collect();
        assert_eq!(packages, ["ca-certificates", "tini"]);
        assert!(recipe.prune.presets.is_empty() && recipe.harden.lock_accounts);
        let bare = InitOptions { user: None, init: false, slim: true, packages: Vec::new(), ..InitOptions::default() };
        let recipe = load(&bare);
        assert_eq!((recipe.user(), recipe.entrypoint("/usr/bin/tini")), (None, Vec::new()));
        assert_eq!(recipe.prune.presets.len(), 6);
    }

    #[test]
    fn tini_of_ubuntu_is_in_universe() {
        let source = load(&InitOptions { suite: "noble".to_owned(), ..InitOptions::default() }).source;
        assert_eq!(debian(&source).components, ["main", "universe"]);
    }

    #[test]
    fn default_answers_are_the_default_options() {
        let mut options = InitOptions { name: String::new(), ..InitOptions::default() };
        options.name = "other".to_owned();
        for question in Question::ALL {
            question.answer(&mut options, question.default()).unwrap();
        }
        assert_eq!(options, InitOptions::default());
    }

    #[test]
    fn a_wrong_answer_is_told_what_was_meant() {
        let error = Question::Suite.answer(&mut InitOptions::default(), "trixy").unwrap_err();
        assert_eq!(error.to_string(), "`trixy` is not a suite known here (`suite`)");
        assert_eq!(error.help().unwrap().to_string(), "did you mean `trixie`?");
        let error = Question::Name.answer(&mut InitOptions::default(), "Base").unwrap_err();
        assert!(error.help().is_none());
    }

    #[test]
    fn wrong_answers_are_refused_and_change_nothing() {
        let mut options = InitOptions::default();
        for (question, answer) in [
            (Question::Name, "Base\"\n"),
            (Question::Suite, "trixi"),
            (Question::Packages, "curl Nginx"),
            (Question::User, "app:x"),
            (Question::User, "9app"),
            (Question::User, "app:0"),
            (Question::Init, "maybe"),
        ] {
            assert!(question.answer(&mut options, answer).is_err(), "{answer}");
        }
        assert_eq!(options, InitOptions::default());
        let error = Question::Suite.answer(&mut options, "trixi").unwrap_err();
        assert_eq!(error.to_string(), "`trixi` is not a suite known here (`suite`)");
    }
}
