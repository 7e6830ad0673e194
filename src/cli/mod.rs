//! The command line: flags and the environment in, answers and errors out.
//!
//! The standard output carries the answer and nothing else; progress, notes and errors go to the standard error.

pub mod args;
mod build;
mod capture;
mod compare;
pub mod environment;
mod explain;
mod import;
mod init;
mod inspect;
mod layer;
mod login;
mod many;
mod memory;
pub mod network;
mod progress;
pub mod registries;
mod show;
mod signals;
mod store;
mod transfer;

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, Parser};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::cli::args::{Cli, Color, Command, GlobalArgs, NetworkArgs, Progress, RegistryArgs};
use crate::cli::environment::Environment;
use crate::cli::progress::{Bars, Json, Lines};
use crate::cli::show::Style;
use crate::context::Context;
use crate::dest::{STANDARD_OUTPUT, Target};
use crate::error::{Blame, Error};
use crate::http::Http;
use crate::ops::doctor::DoctorOptions;
use crate::report::{Reporter, Silent};
use crate::sandbox::Sandbox;
use crate::store::Store;

/// What a command has to say: the text for the standard output, and the exit code.
pub struct Answer {
    /// The text; empty, or with a line feed at its end.
    pub text: String,
    /// 0, or 1 where the answer is no.
    pub code: u8,
}

impl Answer {
    /// A text, and that all is well.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: 0 }
    }

    /// A value as one JSON object.
    pub fn json(value: &impl serde::Serialize) -> Self {
        let text = serde_json::to_string_pretty(value).expect("the keys of an answer are texts");
        Self::new(text + "\n")
    }

    /// The same, where the answer is no.
    pub fn no(self) -> Self {
        Self { code: 1, ..self }
    }
}

/// What commands are given: the flags that all share, the environment, and who is told of progress.
pub struct Session {
    /// The flags.
    pub global: GlobalArgs,
    /// The environment.
    pub environment: Environment,
    /// Who is told of progress.
    pub reporter: Arc<dyn Reporter>,
    /// How errors look that do not end the command.
    pub style: Style,
}

impl Session {
    /// Opens the store, whose unfinished work goes when the program is told to end.
    pub fn store(&self) -> Result<Store, Error> {
        let store = Store::open(&self.environment.store_folder(self.global.store.as_deref())?)?;
        let abandoned = store.clone();
        // For the whole run: the program ends with it.
        std::mem::forget(crate::interrupt::on_interrupt(move || abandoned.abandon()));
        Ok(store)
    }

    /// What an operation may use.
    pub fn context(&self, network: &NetworkArgs) -> Result<Context, Error> {
        Ok(Context {
            epoch: self.environment.epoch()?,
            http: Http::new(network::http_options(network, &self.environment)?),
            store: self.store()?,
            sandbox: Sandbox::default(),
            reporter: Arc::clone(&self.reporter),
        })
    }
}

/// The whole program.
pub fn main() -> ExitCode {
    memory::give_back_large_blocks();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, everything else is a mistake; clap knows which stream is whose.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { Blame::Input as u8 } else { 0 });
        }
    };
    let environment = Environment::read();
    let style = style(&cli.global, &environment);
    let (reporter, take_away) = reporter(style, &cli.global, &environment);
    install_panic_message();
    if let Err(error) = signals::watch(take_away) {
        tracing::warn!("cannot listen for Ctrl-C: {error}");
    }
    let session = Session { global: cli.global, environment, reporter, style };
    let is_taken = cli.command.outputs().iter().any(|output| is_standard_output(output));
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(cli.command, &session)));
    signals::wait_for_end();
    // Unfinished work of the store goes now, as it does when a signal ends the program.
    crate::interrupt::run_all();
    match outcome {
        Ok(Ok(answer)) if is_taken => print(&answer, io::stderr().lock()),
        Ok(Ok(answer)) => print(&answer, io::stdout().lock()),
        Ok(Err(error)) => {
            show::error(&error, style, &mut io::stderr());
            ExitCode::from(error.exit_code())
        }
        Err(_) => ExitCode::from(Blame::Bug as u8),
    }
}

fn run(command: Command, session: &Session) -> Result<Answer, Error> {
    match command {
        Command::Build(arguments) if arguments.recipes.len() > 1 => many::build(&arguments, session),
        Command::Build(arguments) => build::build(&arguments, session),
        Command::Capture(arguments) => capture::capture(&arguments, session),
        Command::Lock(arguments) => build::lock(&arguments, session),
        Command::Layer(arguments) => layer::layer(&arguments, session),
        Command::Import(arguments) => import::import(&arguments, session),
        Command::Inspect(arguments) => inspect::inspect(&arguments, session),
        Command::Push(arguments) => transfer::push(&arguments, session),
        Command::Pull(arguments) => transfer::pull(&arguments, session),
        Command::Copy(arguments) => transfer::copy(&arguments, session),
        Command::Login(arguments) => login::login(&arguments, session),
        Command::Logout(arguments) => login::logout(&arguments, session),
        Command::Diff(arguments) => compare::diff(&arguments, session),
        Command::Verify(arguments) => compare::verify(&arguments, session),
        Command::Init(arguments) => init::init(&arguments, session),
        Command::Schema(_) => Ok(Answer::new(crate::recipe::schema())),
        Command::Store(arguments) => store::run(&arguments.command, session),
        Command::Doctor(arguments) => {
            let diagnosis = crate::ops::doctor::doctor(&doctor_options(session)?);
            Ok(if arguments.json { Answer::json(&diagnosis) } else { Answer::new(diagnosis.to_string()) })
        }
        Command::Completions(arguments) => {
            let mut script = Vec::new();
            clap_complete::generate(arguments.shell, &mut Cli::command(), "rootsmith", &mut script);
            Ok(Answer::new(String::from_utf8_lossy(&script)))
        }
        Command::Explain(arguments) => match (&arguments.what, &arguments.image) {
            (Some(path), Some(image)) => compare::explain(path, image, &arguments, session),
            (code, _) => explain::explain(code.as_deref()).map(Answer::new),
        },
    }
}

fn doctor_options(session: &Session) -> Result<DoctorOptions, Error> {
    let Session { environment, global, .. } = session;
    let root = Path::new("/");
    let named = [
        ("http_proxy", &environment.http_proxy),
        ("https_proxy", &environment.https_proxy),
        ("all_proxy", &environment.all_proxy),
    ];
    let shown = |(name, value): (&str, &Option<String>)| {
        value.as_deref().map(|value| format!("{name} is {}", crate::http::without_secrets(value)))
    };
    Ok(DoctorOptions {
        root: root.to_owned(),
        store: environment.store_folder(global.store.as_deref())?,
        path: environment.path.clone(),
        docker_host: environment.docker_host.clone(),
        proxies: named.into_iter().filter_map(shown).collect(),
        mirrors: network::host_mirrors(root),
        registries: registries::settings(&RegistryArgs::default(), environment)?,
    })
}

/// Whether an output is written to the standard output, where the answer would get between its bytes.
fn is_standard_output(output: &str) -> bool {
    output.parse::<Target>().is_ok_and(|target| target.place() == Some(Path::new(STANDARD_OUTPUT)))
}

/// Writes the answer. A reader that has seen enough (`| head`) is no error.
fn print(answer: &Answer, mut out: impl Write) -> ExitCode {
    match out.write_all(answer.text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            // Nobody may be there to read this either.
            let _ = writeln!(io::stderr(), "cannot write the answer: {error}");
            ExitCode::from(Blame::Machine as u8)
        }
        _ => ExitCode::from(answer.code),
    }
}

fn style(global: &GlobalArgs, environment: &Environment) -> Style {
    let is_terminal = io::stderr().is_terminal();
    let color = match global.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => is_terminal && !environment.no_color && !environment.is_dumb,
    };
    let progress = match global.progress {
        Progress::Auto if is_terminal && !environment.is_dumb => Progress::Bars,
        Progress::Auto => Progress::Lines,
        asked => asked,
    };
    Style { color, is_terminal, progress }
}

/// Who is told of progress, and what takes the bars away at a sudden end. What is logged goes between the bars.
fn reporter(
    style: Style,
    global: &GlobalArgs,
    environment: &Environment,
) -> (Arc<dyn Reporter>, Box<dyn FnOnce() + Send>) {
    match style.progress {
        Progress::Bars | Progress::Auto => {
            let bars = Bars::new();
            let writer = bars.writer();
            log_to(BoxMakeWriter::new(writer.clone()), style, global, environment);
            (Arc::new(bars), Box::new(move || writer.clear()))
        }
        other => {
            log_to(BoxMakeWriter::new(io::stderr), style, global, environment);
            let reporter: Arc<dyn Reporter> = match other {
                Progress::Json => Arc::new(Json::new(io::stderr())),
                Progress::Lines => Arc::new(Lines::new(io::stderr())),
                _ => Arc::new(Silent),
            };
            (reporter, Box::new(|| ()))
        }
    }
}

/// Starts logging, by ROOTSMITH_LOG, else as often as -v was given.
fn log_to(writer: BoxMakeWriter, style: Style, global: &GlobalArgs, environment: &Environment) {
    let by_flag = match global.verbose {
        0 => "warn",
        1 => "warn,rootsmith=info",
        2 => "info,rootsmith=debug",
        _ => "trace",
    };
    let filter = environment.log.as_deref().unwrap_or(by_flag);
    let (filter, wrong) = match EnvFilter::try_new(filter) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(by_flag), Some(error)),
    };
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(style.color).without_time();
    // There is only this one in a process; tests may have set theirs.
    let _ = subscriber.with_target(global.verbose > 1).try_init();
    if let Some(error) = wrong {
        tracing::warn!("cannot use ROOTSMITH_LOG: {error}");
    }
}

/// What a person sees of a bug of ours, on top of exit code 70.
fn install_panic_message() {
    std::panic::set_hook(Box::new(|panic| {
        let what = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map(|place| format!(" ({}:{})", place.file(), place.line())).unwrap_or_default();
        let _ = writeln!(
            io::stderr(),
            "this is a bug in rootsmith {}: {what}{place}\n  help: please report it with the recipe and the output of \
             `rootsmith doctor`",
            env!("CARGO_PKG_VERSION")
        );
    }));
}
