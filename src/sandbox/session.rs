//! The session's side of the stage.

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};

use super::gathering::Gathering;
use super::identity::{self, SubordinateIds};
use super::leaving::Leaving;
use super::lines::Lines;
use super::wire::{Answer, Frame, Request, Step, receive, send};
use super::{Door, SandboxError, Settings, memory, worker};
use crate::store::Store;
use crate::tree::{Content, Entry, Inode, InodeId, LastFile, Node, Origin, Tree, TreePath};

/// Bytes that the pipes between the two sides hold.
const WIDTH: i32 = 1 << 20;

/// A worker and its stage. Dropping it ends both, and every program that runs there.
pub struct Session {
    worker: Child,
    input: Option<BufWriter<ChildStdin>>,
    output: BufReader<ChildStdout>,
    lines: Arc<Mutex<Lines>>,
    step_over: mpsc::Receiver<()>,
    door: Door,
    /// What was put, path by path; its inodes serve again for what comes out unchanged.
    put: Tree,
    folder: tempfile::TempDir,
    leaving: Leaving,
}

/// How a program in the stage ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code, or 128 and the signal's number.
    pub code: i32,
    /// The last lines that it wrote.
    pub output: Vec<String>,
}

impl Session {
    pub(super) fn start(settings: &Settings, leaving: Leaving) -> Result<Self, SandboxError> {
        // Open to all, because the namespace's root is another user: its parents keep strangers out.
        let folder = tempfile::Builder::new()
            .prefix("stage-")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777))
            .tempdir_in(&settings.folder)
            .map_err(|source| SandboxError::Stage { what: "make a folder".into(), source })?;
        open_to_all(folder.path())?;
        let inside = Settings { folder: folder.path().to_owned(), ..settings.clone() };
        let mut worker = spawn(&inside)?;
        let lines = Arc::new(Mutex::new(Lines::default()));
        let (step_over, steps) = mpsc::channel();
        let stderr = worker.stderr.take().expect("the worker's standard error is piped");
        thread::spawn({
            let lines = Arc::clone(&lines);
            move || listen(stderr, &lines, &step_over)
        });
        let input = worker.stdin.take().map(|stdin| BufWriter::with_capacity(1 << 18, stdin));
        let stdout = worker.stdout.take().expect("the worker's standard output is piped");
        let output = BufReader::with_capacity(1 << 18, stdout);
        let (door, put) = (Door::Chroot, Tree::new());
        let mut session = Self { worker, input, output, lines, step_over: steps, door, put, folder, leaving };
        session.door = session.await_ready()?;
        Ok(session)
    }

    /// How the worker got its stage.
    pub fn door(&self) -> Door {
        self.door
    }

    /// Puts entries into the stage, parents before what they hold. Hard links are entries with the same number; what is
    /// there already is replaced, but a directory (or a link to one) that is there stays as it is.
    pub fn put<'a>(&mut self, entries: impl IntoIterator<Item = Entry<'a>>) -> Result<(), SandboxError> {
        let mut first = std::collections::BTreeMap::<InodeId, &TreePath>::new();
        let mut last = LastFile::default();
        let before = self.put.len();
        self.ask(&Request::Put)?;
        for entry in entries {
            let target = first.get(&entry.id).copied().filter(|_| !entry.inode.is_directory());
            let sent = match (target, &mut self.input) {
                (_, None) => Err(io::ErrorKind::BrokenPipe.into()),
                (Some(target), Some(input)) => {
                    Frame::Link(entry.path.as_bytes().to_vec(), target.as_bytes().to_vec()).write(input)
                }
                (None, Some(input)) => write_entry(entry, &mut last, input),
            };
            sent.map_err(|error| self.lost(error))?;
            match target {
                Some(target) => self.put.link(entry.path.clone(), target).map_err(misplaced)?,
                None => {
                    self.put.insert_with_parents(entry.path.clone(), Arc::clone(entry.inode)).map_err(misplaced)?;
                }
            }
            if entry.links > 1 {
                first.entry(entry.id).or_insert(entry.path);
            }
        }
        drop(first);
        if self.put.len() > 2 * before {
            self.put.compact();
        }
        let end = self.input.as_mut().map_or(Ok(()), |input| Frame::End.write(input).and_then(|()| input.flush()));
        end.map_err(|error| self.lost(error))?;
        match self.answer()? {
            Answer::Done => Ok(()),
            other => Err(self.unexpected(&other)),
        }
    }

    /// The bytes of a file in the stage, at most 64 MiB; nothing where there is none.
    pub fn read(&mut self, path: &TreePath) -> Result<Option<Vec<u8>>, SandboxError> {
        self.ask(&Request::Read(path.as_relative().to_string_lossy().into_owned()))?;
        match self.answer()? {
            Answer::Bytes(None) => Ok(None),
            Answer::Bytes(Some(size)) => {
                let mut bytes = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
                self.output.read_exact(&mut bytes).map_err(|error| self.lost(error))?;
                Ok(Some(bytes))
            }
            other => Err(self.unexpected(&other)),
        }
    }

    /// Runs a program to its end, whatever that is.
    pub fn run_to_end(&mut self, step: &Step) -> Result<Ended, SandboxError> {
        memory::give_back();
        self.lines().clear();
        self.ask(&Request::Run(step.clone()))?;
        match self.answer()? {
            Answer::Ended(code) => {
                // The output comes by another pipe; it is complete when its reader says so.
                let _ = self.step_over.recv_timeout(Duration::from_secs(5));
                Ok(Ended { code, output: self.last_lines() })
            }
            other => Err(self.unexpected(&other)),
        }
    }

    /// Runs a program that has to succeed.
    pub fn run(&mut self, step: &Step) -> Result<(), SandboxError> {
        let Ended { code, output } = self.run_to_end(step)?;
        if code == 0 {
            return Ok(());
        }
        let status = if code > 128 { format!("signal {}", code - 128) } else { format!("exit code {code}") };
        Err(SandboxError::Program { command: step.command.join(" "), status, output })
    }

    /// Reads back the whole stage and ends the session. Files that nothing changed keep the origin that they were put with;
    /// contents are in `store` then, but for a few bytes. Owners, modes and links are the stage's; device nodes are those that
    /// were put.
    pub fn collect(mut self, store: &Store) -> Result<Tree, SandboxError> {
        let mut tree = self.receive_stage(&Request::Collect, store)?;
        self.put = Tree::new();
        tree.compact();
        memory::give_back();
        // Whoever waits for the session must not be part of it.
        let leaving = std::mem::take(&mut self.leaving);
        leaving.end(self, store.clone());
        Ok(tree)
    }

    /// What [`Session::collect`] would give now, but for what is in `/dev`, `/proc` and `/sys`. The session goes on.
    pub fn look(&mut self, store: &Store) -> Result<Tree, SandboxError> {
        self.receive_stage(&Request::Look, store)
    }

    fn receive_stage(&mut self, request: &Request, store: &Store) -> Result<Tree, SandboxError> {
        self.ask(request)?;
        match self.answer()? {
            Answer::Stage => {}
            other => return Err(self.unexpected(&other)),
        }
        let (mut tree, mut gathering) = (Tree::new(), Gathering::new(store));
        loop {
            let frame = Frame::read(&mut self.output).map_err(|error| self.lost(error))?;
            if frame == Frame::End {
                break;
            }
            self.take(frame, &mut tree, &mut gathering)?;
        }
        gathering.end(&mut tree)?;
        for entry in self.put.entries() {
            let device = matches!(entry.inode.node, Node::CharacterDevice { .. } | Node::BlockDevice { .. });
            if device && !tree.contains(entry.path) {
                tree.insert_with_parents(entry.path.clone(), entry.inode.clone()).map_err(misplaced)?;
            }
        }
        Ok(tree)
    }

    fn take(&mut self, frame: Frame, tree: &mut Tree, gathering: &mut Gathering<'_>) -> Result<(), SandboxError> {
        let (bytes, meta, node) = match frame {
            Frame::Link(bytes, target) => {
                let (path, _) = self.known(&bytes)?;
                return tree.link(path, &self.known(&target)?.0).map_err(misplaced);
            }
            Frame::Unchanged(bytes) => {
                let (path, there) = self.known(&bytes)?;
                let inode = there.ok_or_else(|| SandboxError::misread(io::ErrorKind::InvalidData.into()))?;
                let id = tree.insert(path, Arc::clone(&inode)).map_err(misplaced)?;
                return inode.content().map_or(Ok(()), |content| gathering.keep(id, content));
            }
            Frame::File(bytes, meta, size) => {
                let (path, there) = self.known(&bytes)?;
                let inode = Inode { meta, node: Node::File(Content::empty()), origin: origin(there.as_deref()) };
                let id = tree.insert(path, inode).map_err(misplaced)?;
                return gathering.take(id, &mut (&mut self.output).take(size), size);
            }
            Frame::Directory(bytes, meta) => (bytes, meta, Node::Directory),
            Frame::Symlink(bytes, meta, target) => (bytes, meta, Node::Symlink(target.into())),
            Frame::Special(bytes, meta, kind, major, minor) => {
                let node = match kind {
                    b'c' => Node::CharacterDevice { major, minor },
                    b'b' => Node::BlockDevice { major, minor },
                    _ => Node::Fifo,
                };
                (bytes, meta, node)
            }
            Frame::End => return Ok(()),
        };
        let (path, there) = self.known(&bytes)?;
        let inode = Inode { meta, node, origin: origin(there.as_deref()) };
        let is_same = |there: &Arc<Inode>| {
            let target = there.symlink_target();
            target.is_some() && target == inode.symlink_target() && there.meta == inode.meta
        };
        match there.filter(is_same) {
            Some(there) => tree.insert(path, there),
            None => tree.insert(path, inode),
        }
        .map(drop)
        .map_err(misplaced)
    }

    /// A path, and what was put there. Paths that were put are held in common.
    fn known(&self, bytes: &[u8]) -> Result<(TreePath, Option<Arc<Inode>>), SandboxError> {
        let path = TreePath::new(bytes).map_err(|error| SandboxError::misread(io::Error::other(error)))?;
        Ok(match self.put.entry_at(&path) {
            Some(entry) => (entry.path.clone(), Some(Arc::clone(entry.inode))),
            None => (path, None),
        })
    }

    fn await_ready(&mut self) -> Result<Door, SandboxError> {
        loop {
            match self.answer()? {
                Answer::MapMe => {
                    if nix::unistd::Uid::effective().is_root() {
                        identity::map_all(self.worker.id())
                            .map_err(|source| SandboxError::Stage { what: "map its ids".into(), source })?;
                    } else {
                        SubordinateIds::of_this_user()?.map(self.worker.id())?;
                    }
                    self.ask(&())?;
                }
                Answer::Ready(door) => return Ok(door),
                other => return Err(self.unexpected(&other)),
            }
        }
    }

    fn ask<T: serde::Serialize>(&mut self, message: &T) -> Result<(), SandboxError> {
        let sent = match &mut self.input {
            Some(input) => send(input, message),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        };
        sent.map_err(|error| self.lost(error))
    }

    fn answer(&mut self) -> Result<Answer, SandboxError> {
        match receive(&mut self.output) {
            Ok(Some(Answer::Failed { what, reason, errno })) => Err(explain(what, reason, errno)),
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(SandboxError::Gone { output: self.last_lines() }),
            Err(source) => Err(SandboxError::misread(source)),
        }
    }

    /// The error behind a pipe that broke: what the worker said before it ended.
    fn lost(&mut self, error: io::Error) -> SandboxError {
        if error.kind() != io::ErrorKind::BrokenPipe && error.kind() != io::ErrorKind::UnexpectedEof {
            return SandboxError::misread(error);
        }
        match self.answer() {
            Err(known) => known,
            Ok(_) => SandboxError::Gone { output: self.last_lines() },
        }
    }

    fn unexpected(&self, answer: &Answer) -> SandboxError {
        SandboxError::misread(io::Error::other(format!("the worker gave an answer out of turn: {answer:?}")))
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn last_lines(&self) -> Vec<String> {
        self.lines().shown()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.input.take());
        // The worker ends when its input does, and takes the stage and all its programs with it.
        drop(self.worker.wait());
        tracing::debug!("the stage in {} is gone", self.folder.path().display());
    }
}

#[allow(clippy::disallowed_methods, reason = "the sandbox is where other programs are run")]
fn spawn(settings: &Settings) -> Result<Child, SandboxError> {
    let cannot = |source| SandboxError::Stage { what: "start its worker".into(), source };
    let program = std::env::current_exe().map_err(cannot)?;
    // What is running, even where the file has been replaced since.
    let running = Path::new("/proc/self/exe");
    let program = if running.exists() { running.to_owned() } else { program };
    let worker = Command::new(program)
        .arg0(worker::WORKER)
        .arg(serde_json::to_string(settings).expect("settings are plain data"))
        .env_clear()
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(cannot)?;
    let widen = |pipe: BorrowedFd<'_>| fcntl(pipe, FcntlArg::F_SETPIPE_SZ(WIDTH));
    // A user may have as many pages in pipes as the system allows; narrower ones serve too.
    let _ = worker.stdin.as_ref().map(|pipe| widen(pipe.as_fd()));
    let _ = worker.stdout.as_ref().map(|pipe| widen(pipe.as_fd()));
    Ok(worker)
}

/// Of what was put at a place, or else of programs in the stage.
fn origin(there: Option<&Inode>) -> Origin {
    there.map_or(Origin::Sandbox, |inode| inode.origin.clone())
}

fn open_to_all(folder: &Path) -> Result<(), SandboxError> {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder, mode)
        .map_err(|source| SandboxError::Stage { what: "open its folder to the stage's root".into(), source })
}

/// Reads the output of programs in the stage, line by line, until the worker ends.
fn listen(stderr: ChildStderr, lines: &Mutex<Lines>, step_over: &mpsc::Sender<()>) {
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
        if let Some(last) = line.strip_suffix(b"\0\n") {
            if !last.is_empty() {
                remember(last, lines);
            }
            let _ = step_over.send(());
        } else {
            remember(&line, lines);
        }
        line.clear();
    }
}

fn remember(line: &[u8], lines: &Mutex<Lines>) {
    let line = String::from_utf8_lossy(line).trim_end().replace(|character: char| character.is_control(), " ");
    tracing::debug!(target: "rootsmith::sandbox::output", "{line}");
    lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(line);
}

fn write_entry(entry: Entry<'_>, last: &mut LastFile, out: &mut impl Write) -> io::Result<()> {
    let path = entry.path.as_bytes().to_vec();
    let meta = entry.inode.meta.clone();
    match &entry.inode.node {
        Node::Directory => Frame::Directory(path, meta).write(out),
        Node::Symlink(target) => Frame::Symlink(path, meta, target.to_vec()).write(out),
        Node::CharacterDevice { major, minor } => Frame::Special(path, meta, b'c', *major, *minor).write(out),
        Node::BlockDevice { major, minor } => Frame::Special(path, meta, b'b', *major, *minor).write(out),
        Node::Fifo => Frame::Special(path, meta, b'p', 0, 0).write(out),
        Node::File(content) => {
            Frame::File(path, meta, content.size()).write(out)?;
            io::copy(&mut content.reader_after(last)?, out).map(drop)
        }
    }
}

fn misplaced(error: crate::tree::TreeError) -> SandboxError {
    SandboxError::misread(io::Error::other(error))
}

/// What the worker could not do, in words that say what would help.
fn explain(what: String, reason: String, errno: i32) -> SandboxError {
    let source = io::Error::new(io::Error::from_raw_os_error(errno).kind(), reason);
    if let Some(trouble) = no_user_namespace(&what, &source, Path::new("/proc/sys")) {
        return trouble;
    }
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => SandboxError::Full { what, source },
        _ => SandboxError::Stage { what, source },
    }
}

/// The error of a machine that gives no user namespaces to this user, with the setting below `settings` that says so.
///
/// Most refuse to make one. AppArmor, as Ubuntu sets it up since 23.10, lets it be made and takes all capabilities from
/// whoever is in it, so that one of the next steps is refused.
fn no_user_namespace(what: &str, source: &io::Error, settings: &Path) -> Option<SandboxError> {
    let setting = |name: &str| std::fs::read_to_string(settings.join(name)).unwrap_or_default().trim().to_owned();
    let restricted = setting("kernel/apparmor_restrict_unprivileged_userns") == "1";
    let refused = source.kind() == io::ErrorKind::PermissionDenied;
    let is_root = nix::unistd::geteuid().is_root();
    if what != "make a user namespace" && (is_root || !restricted || !refused) {
        return None;
    }
    let (reason, help) = if restricted {
        let help = "an administrator can allow it: `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`";
        ("AppArmor forbids it to unprivileged users".to_owned(), help)
    } else if setting("kernel/unprivileged_userns_clone") == "0" {
        let help = "an administrator can allow it: `sysctl -w kernel.unprivileged_userns_clone=1`";
        ("kernel.unprivileged_userns_clone is 0".to_owned(), help)
    } else if setting("user/max_user_namespaces") == "0" {
        let help = "an administrator can allow it: `sysctl -w user.max_user_namespaces=10000`";
        ("user.max_user_namespaces is 0".to_owned(), help)
    } else if refused {
        let help = "a container's seccomp profile forbids it too, as Docker's does: be root in it, `--user 0:0`";
        (source.to_string(), help)
    } else {
        (source.to_string(), "`rootsmith doctor` says what this machine has")
    };
    Some(SandboxError::NoUserNamespace { reason, help: format!("{help}; or run as root, or in a container as root") })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said where the settings are these, for a step that ended with this error.
    fn said(settings: &[(&str, &str)], what: &str, errno: i32) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, value) in settings {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("{value}\n")).unwrap();
        }
        let error = no_user_namespace(what, &io::Error::from_raw_os_error(errno), folder.path())?;
        let help = miette::Diagnostic::help(&error).unwrap().to_string();
        Some(format!("{error}; {help}"))
    }

    #[test]
    fn what_forbids_user_namespaces_is_named() {
        let cases = [
            (
                "kernel/apparmor_restrict_unprivileged_userns",
                "1",
                "AppArmor",
                "apparmor_restrict_unprivileged_userns=0",
            ),
            ("kernel/unprivileged_userns_clone", "0", "unprivileged_userns_clone is 0", "unprivileged_userns_clone=1"),
            ("user/max_user_namespaces", "0", "max_user_namespaces is 0", "max_user_namespaces=10000"),
        ];
        for (name, value, reason, help) in cases {
            let said = said(&[(name, value)], "make a user namespace", libc::EPERM).unwrap();
            assert!(said.contains(reason) && said.contains(help) && said.contains("as root"), "{said}");
        }
        assert!(said(&[], "make a user namespace", libc::EPERM).unwrap().contains("seccomp"));
        // The kernel's answer where the limit is 0.
        assert!(said(&[], "make a user namespace", libc::ENOSPC).unwrap().contains("doctor"));
    }

    #[test]
    fn apparmor_refuses_later_steps() {
        let restricted = [("kernel/apparmor_restrict_unprivileged_userns", "1")];
        let what = "become root of its user namespace";
        // Root needs no user namespace.
        let is_root = nix::unistd::geteuid().is_root();
        assert_eq!(said(&restricted, what, libc::EPERM).is_some(), !is_root);
        assert_eq!(said(&restricted, what, libc::EACCES).is_some(), !is_root);
        assert_eq!(said(&restricted, what, libc::ENOMEM), None);
        assert_eq!(said(&[], what, libc::EPERM), None);
    }

    #[test]
    fn a_full_stage_is_named() {
        let error = explain("put a file into the stage".into(), "a/b: no space left".into(), libc::ENOSPC);
        assert!(matches!(error, SandboxError::Full { .. }));
        assert!(error.to_string().contains("no space left for its stage"));
    }
}
