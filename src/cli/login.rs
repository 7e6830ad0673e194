//! `rootsmith login` and `rootsmith logout`.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::os::fd::AsFd;

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

use super::args::{LoginArgs, LogoutArgs, RegistryArgs};
use super::{Answer, Session, registries};
use crate::error::Error;
use crate::http::{Http, Secret};
use crate::oci::Reference;
use crate::registry::{self, Client, Login};

/// Tries a login and keeps it.
pub(super) fn login(arguments: &LoginArgs, session: &Session) -> Result<Answer, Error> {
    let name = registry_name(&arguments.registry)?;
    let file = registries::login_file(&arguments.remote.registry, &session.environment)?;
    let is_terminal = io::stdin().is_terminal();
    let user = match &arguments.user {
        Some(user) => user.clone(),
        None if is_terminal && !arguments.password_stdin => asked(&format!("User for {name}: "))?,
        None => return Err(usage("there is no user", "name one: `--username USER`")),
    };
    let password = match (arguments.password_stdin, is_terminal) {
        (true, _) => {
            let mut text = String::new();
            io::stdin().lock().take(1 << 16).read_to_string(&mut text).map_err(unreadable)?;
            text.trim_end_matches(['\r', '\n']).to_owned()
        }
        (false, true) => hidden(&format!("Password for {user} at {name}: "))?,
        (false, false) => {
            let message = "there is no terminal to ask for the password at";
            return Err(usage(message, "give it by a pipe: `... | rootsmith login REGISTRY -u USER --password-stdin`"));
        }
    };
    if user.is_empty() || password.is_empty() || user.contains(':') {
        return Err(usage("the user or the password is empty, or there is a colon in the user", "give both"));
    }
    let login = Login::Password { user, password: Secret::new(password) };
    let mut network = arguments.remote.network();
    // The login is what was typed; the file is only written, and may be a new one.
    network.registry.auth_file = None;
    let http = Http::new(super::network::http_options(&network, &session.environment)?);
    Client::new(&http).check_login(&name, &login)?;
    registry::remember(&file, &name, &login)?;
    session.reporter.note(&format!("the login for {name} is kept in {}", file.display()));
    Ok(Answer::new(""))
}

/// Forgets a login.
pub(super) fn logout(arguments: &LogoutArgs, session: &Session) -> Result<Answer, Error> {
    let name = registry_name(&arguments.registry)?;
    let named = RegistryArgs { auth_file: arguments.auth_file.clone(), ..RegistryArgs::default() };
    let file = registries::login_file(&named, &session.environment)?;
    let words = match registry::forget(&file, &name)? {
        true => "is forgotten",
        false => "was not there",
    };
    session.reporter.note(&format!("the login for {name} in {} {words}", file.display()));
    Ok(Answer::new(""))
}

/// `HOST[:PORT]` or a repository below it, in one spelling.
fn registry_name(text: &str) -> Result<String, Error> {
    let text = text.split_once("://").map_or(text, |(_, rest)| rest).trim_end_matches('/');
    let text = text.strip_suffix("/v1").or_else(|| text.strip_suffix("/v2")).unwrap_or(text);
    let (host, repository) = text.split_once('/').unwrap_or((text, ""));
    let wrong = || usage(&format!("`{text}` is not a registry"), "expected HOST[:PORT], or HOST[:PORT]/REPOSITORY");
    let is_host = host == "localhost" || host.contains(['.', ':']);
    let name = format!("{host}/{}", if repository.is_empty() { "x" } else { repository });
    let parsed = name.parse::<Reference>().ok().filter(|name| is_host && name.tag() == "latest").ok_or_else(wrong)?;
    Ok(match repository {
        "" => parsed.registry().to_owned(),
        _ => format!("{}/{}", parsed.registry(), parsed.repository()),
    })
}

fn usage(message: &str, help: &str) -> Error {
    Error::Usage { message: message.to_owned(), help: help.to_owned() }
}

fn unreadable(error: io::Error) -> Error {
    usage(&format!("cannot read the standard input: {error}"), "give the password with a line feed or an end after it")
}

fn asked(question: &str) -> Result<String, Error> {
    // Where nobody sees the question, nobody answers.
    let _ = write!(io::stderr(), "{question}");
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(unreadable)?;
    Ok(line.trim().to_owned())
}

/// As [`asked`], without showing what is typed.
fn hidden(question: &str) -> Result<String, Error> {
    let stdin = io::stdin();
    let before = tcgetattr(stdin.as_fd()).map_err(|error| unreadable(error.into()))?;
    let mut silent = before.clone();
    silent.local_flags.remove(LocalFlags::ECHO);
    tcsetattr(stdin.as_fd(), SetArg::TCSAFLUSH, &silent).map_err(|error| unreadable(error.into()))?;
    let shown: libc::termios = before.clone().into();
    let undo = crate::interrupt::on_interrupt(move || {
        let _ = tcsetattr(io::stdin().as_fd(), SetArg::TCSANOW, &Termios::from(shown));
    });
    let line = asked(question);
    drop(undo);
    let _ = tcsetattr(stdin.as_fd(), SetArg::TCSANOW, &before);
    let _ = writeln!(io::stderr());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_in_every_spelling() {
        for (given, name) in [
            ("localhost:5000", "localhost:5000"),
            ("https://x.example/", "x.example"),
            ("x.example/team/app", "x.example/team/app"),
            ("https://index.docker.io/v1/", "docker.io"),
            ("docker.io", "docker.io"),
        ] {
            assert_eq!(registry_name(given).unwrap(), name, "{given}");
        }
        for wrong in ["", "x", "x.example/A", "x.example/a:1", "a b.example", "-x.example"] {
            assert_eq!(registry_name(wrong).unwrap_err().exit_code(), 2, "{wrong}");
        }
    }
}
