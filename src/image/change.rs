//! `--change`: one instruction of a Dockerfile that says how containers run (Dockerfile reference; `docker import --change`).

use std::str::{Chars, FromStr};

use super::config::DEFAULT_PATH;
use super::{ExposedPort, RunSettings};

/// An instruction: its name, and what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    instruction: Instruction,
    rest: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Instruction {
    Cmd,
    Entrypoint,
    Env,
    Expose,
    Label,
    Maintainer,
    StopSignal,
    User,
    Volume,
    Workdir,
}

/// Why a text is no change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("cannot make the change `{text}`: {reason}")]
#[diagnostic(help(
    "changes look like `CMD [\"sh\"]`, `ENTRYPOINT [\"/init\"]`, `ENV LANG=C.UTF-8`, `EXPOSE 80/tcp`, \
                   `LABEL a=b`, `STOPSIGNAL SIGINT`, `USER 10001`, `VOLUME /data`, `WORKDIR /srv`"
))]
pub struct ChangeError {
    /// The change as it was typed.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

const INSTRUCTIONS: [(&str, Instruction); 10] = [
    ("CMD", Instruction::Cmd),
    ("ENTRYPOINT", Instruction::Entrypoint),
    ("ENV", Instruction::Env),
    ("EXPOSE", Instruction::Expose),
    ("LABEL", Instruction::Label),
    ("MAINTAINER", Instruction::Maintainer),
    ("STOPSIGNAL", Instruction::StopSignal),
    ("USER", Instruction::User),
    ("VOLUME", Instruction::Volume),
    ("WORKDIR", Instruction::Workdir),
];

impl RunSettings {
    /// Applies all changes in their order. A new entrypoint takes the command of the image away, unless a change sets it.
    pub fn change(&mut self, changes: &[Change]) -> Result<(), ChangeError> {
        let has = |instruction| changes.iter().any(|change| change.instruction == instruction);
        if has(Instruction::Entrypoint) && !has(Instruction::Cmd) {
            self.config.cmd.clear();
        }
        changes.iter().try_for_each(|change| change.apply(self).map_err(|reason| change.error(reason)))
    }
}

impl FromStr for Change {
    type Err = ChangeError;

    /// Reads an instruction and looks at the form of what follows it.
    fn from_str(text: &str) -> Result<Self, ChangeError> {
        let text = text.trim();
        let wrong = |reason: String| ChangeError { text: text.to_owned(), reason };
        let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let known = INSTRUCTIONS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let Some((_, instruction)) = known else {
            return Err(wrong(format!("`{name}` is no instruction that is known here")));
        };
        let change = Self { instruction: *instruction, rest: rest.trim().to_owned() };
        change.apply(&mut RunSettings::default()).map_err(wrong)?;
        Ok(change)
    }
}

impl Change {
    fn error(&self, reason: String) -> ChangeError {
        let name = INSTRUCTIONS.iter().find(|(_, known)| *known == self.instruction).map_or("", |(name, _)| name);
        ChangeError { text: format!("{name} {}", self.rest), reason }
    }

    fn apply(&self, to: &mut RunSettings) -> Result<(), String> {
        let (rest, config) = (self.rest.as_str(), &mut to.config);
        if rest.is_empty() && !matches!(self.instruction, Instruction::Cmd | Instruction::Entrypoint) {
            return Err("nothing follows the instruction".to_owned());
        }
        let mut env = config.env.clone();
        if env.iter().all(|(name, _)| name != "PATH") {
            // The image gets this one where it has none, so it is what the instruction adds to.
            env.push(("PATH".to_owned(), DEFAULT_PATH.to_owned()));
        }
        let words = |rest: &str| words(rest, &env);
        let one = |rest: &str| -> Result<String, String> {
            let mut found = words(rest)?;
            match (found.pop(), found.is_empty()) {
                (Some(word), true) if !word.is_empty() => Ok(word),
                _ => Err("one word is wanted".to_owned()),
            }
        };
        match self.instruction {
            Instruction::Cmd => config.cmd = command(rest)?,
            Instruction::Entrypoint => config.entrypoint = command(rest)?,
            Instruction::Env => {
                for (name, value) in pairs(rest, &words)? {
                    match config.env.iter_mut().find(|(there, _)| *there == name) {
                        Some(there) => there.1 = value,
                        None => config.env.push((name, value)),
                    }
                }
            }
            Instruction::Label => config.labels.extend(pairs(rest, &words)?),
            Instruction::Expose => {
                for word in words(rest)? {
                    config.exposed_ports.extend(ports(&word)?);
                }
            }
            Instruction::Maintainer => config.author = Some(rest.to_owned()),
            Instruction::StopSignal => {
                // In a Dockerfile, `term` and `KILL` are names too.
                let signal = one(rest)?.to_ascii_uppercase();
                let is_name = signal.starts_with(|first: char| first.is_ascii_alphabetic());
                let signal = if is_name && !signal.starts_with("SIG") { format!("SIG{signal}") } else { signal };
                let named = signal.parse::<crate::recipe::StopSignal>();
                config.stop_signal = Some(named.map_err(|error| error.to_string())?.as_str().to_owned());
            }
            Instruction::User => to.user = Some(one(rest)?),
            Instruction::Volume => {
                let volumes = if rest.starts_with('[') { list(rest)? } else { words(rest)? };
                if let Some(wrong) = volumes.iter().find(|volume| !volume.starts_with('/')) {
                    return Err(format!("`{wrong}` is not an absolute path"));
                }
                config.volumes.extend(volumes);
            }
            Instruction::Workdir => {
                let folder = one(rest)?;
                let above = config.working_dir.as_deref().unwrap_or("/");
                config.working_dir = Some(joined(above, &folder));
            }
        }
        Ok(())
    }
}

/// The folder `to`, from the folder `above` on where it is relative, without `.` and `..`: runtimes take it by its letters,
/// and what is before a `..` need not be there.
fn joined(above: &str, to: &str) -> String {
    let above = if to.starts_with('/') { "" } else { above };
    let mut words = Vec::new();
    for word in above.split('/').chain(to.split('/')) {
        match word {
            "" | "." => {}
            ".." => drop(words.pop()),
            word => words.push(word),
        }
    }
    format!("/{}", words.join("/"))
}

/// A JSON list, or a text for the shell. Nothing is an empty list, which takes away what was there.
fn command(rest: &str) -> Result<Vec<String>, String> {
    match rest {
        "" => Ok(Vec::new()),
        _ if rest.starts_with('[') => list(rest),
        _ => Ok(vec!["/bin/sh".to_owned(), "-c".to_owned(), rest.to_owned()]),
    }
}

fn list(rest: &str) -> Result<Vec<String>, String> {
    serde_json::from_str(rest).map_err(|error| format!("it starts with `[` and is no JSON list of strings ({error})"))
}

/// `NAME=VALUE ...`, or the old form of one: `NAME VALUE`.
fn pairs(rest: &str, words: &impl Fn(&str) -> Result<Vec<String>, String>) -> Result<Vec<(String, String)>, String> {
    let first = rest.split_whitespace().next().unwrap_or_default();
    if !first.contains('=') {
        let value = rest[first.len()..].trim();
        if value.is_empty() {
            return Err(format!("`{first}` has no value"));
        }
        return Ok(vec![(first.to_owned(), words(value)?.join(" "))]);
    }
    let pair = |word: String| match word.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("`{word}` is not of the form NAME=VALUE")),
    };
    words(rest)?.into_iter().map(pair).collect()
}

/// `80`, `80/udp`, or several in a row, `8000-8010/tcp`.
fn ports(word: &str) -> Result<Vec<ExposedPort>, String> {
    let (range, protocol) = word.split_once('/').unwrap_or((word, "tcp"));
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let number = |text: &str| text.parse::<u16>().map_err(|_| format!("`{word}` is no port"));
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err(format!("the ports `{word}` end before they begin"));
    }
    let port = |number: u16| {
        format!("{number}/{}", protocol.to_ascii_lowercase()).parse().map_err(|_| format!("`{word}` is no port"))
    };
    (first..=last).map(port).collect()
}

/// The words of a line: separated by spaces, with quotes and backslashes, and with variables of `env` filled in but in
/// single quotes.
fn words(line: &str, env: &[(String, String)]) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut rest = line.chars();
    while let Some(character) = rest.next() {
        match (quote, character) {
            (None, space) if space.is_whitespace() => words.extend(word.take()),
            (None, mark @ ('"' | '\'')) => {
                quote = Some(mark);
                word.get_or_insert_default();
            }
            (Some(mark), end) if mark == end => quote = None,
            (None, '\\') => word.get_or_insert_default().extend(rest.next()),
            (Some('"'), '\\') => match rest.next() {
                Some(plain @ ('"' | '$' | '\\')) => word.get_or_insert_default().push(plain),
                Some(other) => word.get_or_insert_default().extend(['\\', other]),
                None => word.get_or_insert_default().push('\\'),
            },
            (None | Some('"'), '$') => word.get_or_insert_default().push_str(&variable(&mut rest, env)?),
            (_, plain) => word.get_or_insert_default().push(plain),
        }
    }
    match quote {
        Some(mark) => Err(format!("a quote {mark} is not closed")),
        None => {
            words.extend(word);
            Ok(words)
        }
    }
}

/// The value of the variable that follows a `$`: `NAME`, `{NAME}`, `{NAME:-otherwise}`, `{NAME:+instead}`.
fn variable(rest: &mut Chars<'_>, env: &[(String, String)]) -> Result<String, String> {
    let of_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let value = |name: &str| env.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let text = rest.as_str();
    let Some(braced) = text.strip_prefix('{') else {
        let end = text.find(|character| !of_name(character)).unwrap_or(text.len());
        *rest = text[end..].chars();
        return Ok(if end == 0 { "$".to_owned() } else { value(&text[..end]).unwrap_or_default() });
    };
    let end = braced.find('}').ok_or("a `${` is not closed")?;
    *rest = braced[end + 1..].chars();
    let inside = &braced[..end];
    let name_end = inside.find(|character| !of_name(character)).unwrap_or(inside.len());
    let (name, modifier) = inside.split_at(name_end);
    let found = value(name).filter(|value| !value.is_empty());
    match (name, modifier.split_at_checked(2)) {
        ("", _) => Err("a variable has no name".to_owned()),
        (_, None) if modifier.is_empty() => Ok(found.unwrap_or_default()),
        (_, Some((":-", otherwise))) => Ok(found.unwrap_or_else(|| otherwise.to_owned())),
        (_, Some((":+", instead))) => Ok(found.map(|_| instead.to_owned()).unwrap_or_default()),
        _ => Err(format!("`${{{inside}}}` is not understood")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::ImageConfig;

    fn changed(changes: &[&str]) -> Result<RunSettings, ChangeError> {
        let config = ImageConfig {
            env: vec![("PATH".into(), "/bin".into())],
            cmd: vec!["old".into()],
            working_dir: Some("/srv".into()),
            ..ImageConfig::default()
        };
        let mut inherited = RunSettings { config, ..RunSettings::default() };
        let changes: Vec<Change> = changes.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
        inherited.change(&changes)?;
        Ok(inherited)
    }

    #[test]
    fn commands_are_lists_or_for_the_shell() {
        let config = changed(&["CMD [\"a\", \"b c\"]", "entrypoint exec /init $X"]).unwrap().config;
        assert_eq!(config.cmd, ["a", "b c"]);
        assert_eq!(config.entrypoint, ["/bin/sh", "-c", "exec /init $X"]);
        assert!(changed(&["ENTRYPOINT [\"x\"]"]).unwrap().config.cmd.is_empty(), "the command belonged to the other");
        assert!(changed(&["CMD []"]).unwrap().config.cmd.is_empty());
        assert!(changed(&["CMD"]).unwrap().config.cmd.is_empty());
    }

    #[test]
    fn variables() {
        let env = |text: &str| changed(&[text]).unwrap().config.env[1..].to_vec();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            env("ENV A=1 B='x $PATH' C=\"a \\\"b\\\" $PATH\""),
            [pair("A", "1"), pair("B", "x $PATH"), pair("C", "a \"b\" /bin"),]
        );
        assert_eq!(env("ENV OLD some text"), [pair("OLD", "some text")]);
        assert_eq!(
            env("ENV A=a\\ b D=\\$PATH E=$ F=${NO:-x} G=${PATH:+y}z"),
            [pair("A", "a b"), pair("D", "$PATH"), pair("E", "$"), pair("F", "x"), pair("G", "yz"),]
        );
        let path = changed(&["ENV PATH=/opt/bin:$PATH", "ENV PATH=${PATH}:/x"]).unwrap().config.env;
        assert_eq!(path, [pair("PATH", "/opt/bin:/bin:/x")]);
    }

    #[test]
    fn a_path_that_is_not_there_is_the_usual_one() {
        let mut none = RunSettings::default();
        none.change(&["ENV PATH=/opt/bin:$PATH".parse().unwrap()]).unwrap();
        assert_eq!(none.config.env, [("PATH".to_owned(), format!("/opt/bin:{DEFAULT_PATH}"))]);
    }

    #[test]
    fn all_others() {
        let changes = [
            "EXPOSE 80 53/UDP 8000-8002",
            "LABEL a=b c=\"d e\"",
            "USER app:adm",
            "VOLUME [\"/data\"]",
            "VOLUME /a /b",
            "WORKDIR sub",
            "STOPSIGNAL SIGINT",
            "MAINTAINER Somebody <s@example.com>",
        ];
        let found = changed(&changes).unwrap();
        let config = &found.config;
        let ports: Vec<String> = config.exposed_ports.iter().map(ToString::to_string).collect();
        assert_eq!(ports, ["53/udp", "80/tcp", "8000/tcp", "8001/tcp", "8002/tcp"]);
        assert_eq!(config.labels.iter().map(|(k, v)| format!("{k}:{v}")).collect::<Vec<_>>(), ["a:b", "c:d e"]);
        assert_eq!(config.volumes.iter().collect::<Vec<_>>(), ["/a", "/b", "/data"]);
        assert_eq!(config.working_dir.as_deref(), Some("/srv/sub"));
        assert_eq!(config.stop_signal.as_deref(), Some("SIGINT"));
        assert_eq!(config.author.as_deref(), Some("Somebody <s@example.com>"));
        assert_eq!(found.user.as_deref(), Some("app:adm"));
    }

    #[test]
    fn folders_and_signals_are_written_as_engines_do() {
        let folder = |text: &str| changed(&[text]).unwrap().config.working_dir.unwrap();
        for (text, expected) in [
            ("WORKDIR /a/../b/", "/b"),
            ("WORKDIR ../lib/./x", "/lib/x"),
            ("WORKDIR ../../..", "/"),
            ("WORKDIR //opt//y", "/opt/y"),
        ] {
            assert_eq!(folder(text), expected, "{text}");
        }
        let signal = |text: &str| changed(&[text]).unwrap().config.stop_signal.unwrap();
        for (text, expected) in [
            ("STOPSIGNAL kill", "SIGKILL"),
            ("STOPSIGNAL sigterm", "SIGTERM"),
            ("STOPSIGNAL RTMIN+3", "SIGRTMIN+3"),
            ("STOPSIGNAL 9", "9"),
        ] {
            assert_eq!(signal(text), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for wrong in [
            "",
            "RUN true",
            "COPY a b",
            "ENV",
            "ENV A",
            "ENV =x",
            "ENV A=1 B",
            "ENV A='x",
            "ENV A=${B",
            "ENV A=${B?c}",
            "CMD [\"a\"",
            "CMD [1]",
            "EXPOSE 0",
            "EXPOSE 99999",
            "EXPOSE 9-8",
            "EXPOSE 80/x",
            "VOLUME data",
            "USER a b",
            "WORKDIR",
            "STOPSIGNAL nine",
            "LABEL =b",
        ] {
            assert!(changed(&[wrong]).is_err(), "{wrong}");
        }
    }
}
