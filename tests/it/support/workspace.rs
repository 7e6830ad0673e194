//! A folder of a test, and the program run in it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::require::mirror;

/// A temporary folder with a home, a store and recipes.
pub struct Workspace {
    folder: TempDir,
}

/// How a run of the program ended.
pub struct Finished {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The program under test: the one that cargo built for this test, or the one named by `ROOTSMITH_TEST_BINARY`.
pub fn binary() -> PathBuf {
    std::env::var_os("ROOTSMITH_TEST_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_rootsmith").into(), PathBuf::from)
}

/// The arguments that make a build fetch from the tests' mirror.
pub fn mirrors() -> Vec<String> {
    let mirror = mirror().expect("the test has required a mirror");
    vec![
        "--mirror".to_owned(),
        format!("{mirror}/debian"),
        "--mirror".to_owned(),
        format!("debian-security={mirror}/debian-security"),
    ]
}

impl Workspace {
    /// A new one, which other users may enter.
    pub fn new() -> Self {
        Self::within(&std::env::temp_dir())
    }

    /// A new one in `folder`.
    pub fn within(folder: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("rootsmith-test-").tempdir_in(folder).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(folder.path().join("home")).unwrap();
        Self { folder }
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, a recipe mostly.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Makes everything in it belong to the user `tester`.
    pub fn give_to_tester(&self) {
        run(Command::new("chown").args(["-R", "tester:"]).arg(self.folder.path()));
    }

    /// A command in this folder, whose environment holds nothing but a home, a store and a path. The first of `words`
    /// is the program: what stands before the program under test, such as `setpriv`, goes there.
    pub fn command<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        let mut words = words.into_iter();
        let mut command = Command::new(words.next().expect("a command has a program"));
        command
            .args(words)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.path("home"))
            .env("ROOTSMITH_STORE", self.path("store"))
            .current_dir(self.folder.path());
        command
    }

    /// Runs the program to its end.
    pub fn rootsmith<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Finished {
        finish(self.command([binary()]).args(arguments))
    }
}

impl Finished {
    /// The digest that a build printed. The build must have succeeded.
    pub fn digest(&self) -> String {
        self.succeeded();
        let line = self.stdout.lines().last().unwrap_or_default();
        assert!(line.starts_with("sha256:"), "the last line of {:?} is a digest", self.stdout);
        line.to_owned()
    }

    /// Fails the test with the program's output where it did not end well.
    pub fn succeeded(&self) -> &Self {
        assert_eq!(self.code, 0, "standard output:\n{}\nstandard error:\n{}", self.stdout, self.stderr);
        self
    }

    /// Fails the test unless the program ended with this exit code.
    pub fn failed_with(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "standard output:\n{}\nstandard error:\n{}", self.stdout, self.stderr);
        self
    }

    /// Fails the test unless standard error, its line breaks and frames taken out, has `phrase` in it.
    pub fn says(&self, phrase: &str) -> &Self {
        let text = words(&self.stderr);
        assert!(text.contains(&words(phrase)), "`{phrase}` is not in:\n{}", self.stderr);
        self
    }
}

/// A text as its words, so that it does not matter where lines break.
pub fn words(text: &str) -> String {
    let words = text.split_whitespace().map(|word| word.trim_matches(['│', '╰', '├', '─', '×', '▶']));
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Runs a command to its end, however it ends.
pub fn finish(command: &mut Command) -> Finished {
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let Output { status, stdout, stderr } = output;
    Finished {
        code: status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

/// Runs a command that must succeed; gives its standard output.
pub fn run(command: &mut Command) -> String {
    let finished = finish(command);
    assert_eq!(finished.code, 0, "{command:?}\n{}\n{}", finished.stdout, finished.stderr);
    finished.stdout
}
