//! `rootsmith init`.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;

use miette::Diagnostic;

use super::args::InitArgs;
use super::{Answer, Session};
use crate::error::Error;
use crate::ops::init::{self, InitError, InitOptions, Question};

/// Writes a recipe, asking for what no flag gives where there is somebody to ask.
pub(super) fn init(arguments: &InitArgs, session: &Session) -> Result<Answer, Error> {
    let mut options = InitOptions::default();
    let given = given(arguments);
    let ask = !arguments.yes && io::stdin().is_terminal() && io::stderr().is_terminal();
    for question in Question::ALL {
        match given.iter().find(|(about, _)| *about == question) {
            Some((_, answer)) => question.answer(&mut options, answer).map_err(usage)?,
            None if ask => put(question, &mut options)?,
            None => {}
        }
    }
    let text = init::init(&options).map_err(usage)?;
    let file = arguments.file.clone().unwrap_or_else(|| PathBuf::from(format!("{}.toml", options.name)));
    let place = session.environment.folder.join(&file);
    let unwritten = |error: io::Error| Error::Usage {
        message: format!("cannot write `{}`: {error}", file.display()),
        help: match error.kind() {
            io::ErrorKind::AlreadyExists => "name another file, or `--force` to write over this one",
            io::ErrorKind::NotFound => "make its folder first, or name another file",
            _ => "name a file that you may write",
        }
        .to_owned(),
    };
    let mut open = std::fs::OpenOptions::new();
    open.write(true);
    if arguments.force {
        open.create(true).truncate(true)
    } else {
        open.create_new(true)
    };
    open.open(&place).and_then(|mut out| out.write_all(text.as_bytes())).map_err(unwritten)?;
    session.reporter.note(&format!("build it: rootsmith build {0} -o oci:out/{1}", file.display(), options.name));
    Ok(Answer::new(format!("{}\n", file.display())))
}

fn usage(error: InitError) -> Error {
    let help =
        error.help().map_or_else(|| "`rootsmith init --help` lists the flags".to_owned(), |help| help.to_string());
    Error::Usage { message: error.to_string(), help }
}

fn given(arguments: &InitArgs) -> Vec<(Question, String)> {
    let mut given = Vec::new();
    let mut take = |question, answer: &Option<String>| given.extend(answer.clone().map(|answer| (question, answer)));
    take(Question::Name, &arguments.name);
    take(Question::Suite, &arguments.suite);
    take(Question::User, &arguments.user);
    take(Question::Packages, &(!arguments.packages.is_empty()).then(|| arguments.packages.join(" ")));
    take(Question::Slim, &arguments.slim.then(|| "yes".to_owned()));
    given
}

/// Asks until the answer is one.
fn put(question: Question, options: &mut InitOptions) -> Result<(), Error> {
    loop {
        let mut line = String::new();
        let asked = write!(io::stderr(), "{} [{}]: ", question.prompt(), question.default())
            .and_then(|()| io::stderr().flush())
            .and_then(|()| io::stdin().lock().read_line(&mut line));
        match asked {
            Ok(0) | Err(_) => return Err(usage(InitError::NoAnswer)),
            Ok(_) => {}
        }
        let answer = if line.trim().is_empty() { question.default() } else { line.trim() };
        match question.answer(options, answer) {
            Ok(()) => return Ok(()),
            Err(error) => drop(writeln!(io::stderr(), "{error}")),
        }
    }
}
