//! The worker: the process that has the stage as its root directory.
//!
//! It is two processes. The outer one makes the namespaces, watches for the end of the session (its standard input
//! closes, also when the session's process is killed) and clears up a stage on disk. The inner one, process 1 where
//! there is a PID namespace, moves into the stage and does what it is asked.

#![allow(unsafe_code)] // fork, while there is one thread; close_range and pidfd_open

use std::fs;
use std::io::{self, BufReader, BufWriter, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, CpuSet, sched_setaffinity, unshare};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::{Mode, SFlag, makedev, mknod, umask};
use nix::sys::wait::waitpid;
use nix::unistd::{self, ForkResult, Gid, Pid, Uid};

use super::clear::clear;
use super::names::Names;
use super::procfs::Procfs;
use super::stage::{self, Stage};
use super::wire::{Answer, Request, Step, receive, send};
use super::{Door, Settings, names, tracer};

/// The name under which this program starts itself as a worker.
pub(super) const WORKER: &str = "rootsmith-sandbox";

/// Folders of which one exists everywhere: a stage in memory is mounted on it, inside the worker's own mount namespace.
const MOUNT_POINTS: [&str; 5] = ["/tmp", "/mnt", "/run", "/var", "/usr"];

/// Devices in the stage, with their numbers: all that the runtime specification asks for.
const DEVICES: [(&str, u64, u64); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// Links in `/dev` (the same source).
const DEVICE_LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Where secrets are while a step runs.
const SECRETS: &str = "/run/secrets";

/// Becomes a worker, and gives the exit code of one, where this process was started as such. To be called first thing in
/// `main`, while there is one thread.
pub fn become_worker_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args();
    if arguments.next().as_deref() != Some(WORKER) {
        return None;
    }
    let settings = arguments.next().and_then(|json| serde_json::from_str(&json).ok())?;
    match outer(&settings) {
        Ok(()) => Some(ExitCode::SUCCESS),
        Err(fault) => {
            fault.tell();
            Some(ExitCode::FAILURE)
        }
    }
}

/// What could not be done, and why.
struct Fault {
    what: String,
    source: io::Error,
}

impl Fault {
    fn tell(&self) {
        let (reason, errno) = (self.source.to_string(), stage::errno(&self.source));
        // The session may be gone, and then there is nobody to tell.
        let _ = send(&mut io::stdout().lock(), &Answer::Failed { what: self.what.clone(), reason, errno });
    }
}

fn cannot<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Fault {
    let what = what.into();
    move |source| Fault { what, source: source.into() }
}

fn outer(settings: &Settings) -> Result<(), Fault> {
    umask(Mode::empty());
    // Files that this program's own parent left open are nothing for programs in the stage.
    // SAFETY: no object of this process owns a descriptor above the standard ones yet.
    unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
    // Through the folder itself, because its parents may be closed to the namespace's root.
    std::env::set_current_dir(&settings.folder).map_err(cannot("enter its folder"))?;
    let door = choose_door(settings)?;
    // Both processes hold the registration, for as long as they live.
    let _registration = match &settings.emulator {
        Some(emulator) => Some(emulator.register().map_err(cannot("register an emulator for its programs"))?),
        None => None,
    };
    // SAFETY: there is one thread.
    match unsafe { unistd::fork() }.map_err(cannot("start a process"))? {
        ForkResult::Parent { child } => watch(child),
        ForkResult::Child => {
            let done = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)
                .map_err(cannot("bind its life to the session's"))
                .and_then(|()| inner(settings, door));
            if let Err(fault) = &done {
                fault.tell();
            }
            std::process::exit(i32::from(done.is_err()));
        }
    }
}

fn choose_door(settings: &Settings) -> Result<Door, Fault> {
    let mut apart =
        CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS;
    if !settings.network {
        apart |= CloneFlags::CLONE_NEWNET;
    }
    if Uid::effective().is_root() {
        if settings.emulator.is_some() {
            // Only a user namespace has registrations of its own; in this one all ids are what they are outside.
            enter_user_namespace(apart)?;
            return Ok(Door::Namespaces);
        }
        // A container may allow namespaces and forbid mounts, so both are tried.
        let can_mount = || mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>);
        return match unshare(CloneFlags::CLONE_NEWNS).and_then(|()| can_mount()).and_then(|()| unshare(apart)) {
            Ok(()) => Ok(Door::Namespaces),
            Err(Errno::EPERM | Errno::EACCES | Errno::ENOSYS) => Ok(Door::Chroot),
            Err(error) => Err(cannot("make namespaces")(error)),
        };
    }
    enter_user_namespace(apart)?;
    Ok(Door::UserNamespace)
}

/// Makes a user namespace, whose ids the session maps, and the others in it.
fn enter_user_namespace(apart: CloneFlags) -> Result<(), Fault> {
    unshare(CloneFlags::CLONE_NEWUSER).map_err(cannot("make a user namespace"))?;
    send(&mut io::stdout().lock(), &Answer::MapMe).map_err(cannot("answer"))?;
    receive::<()>(&mut io::stdin().lock()).map_err(cannot("be given ids"))?;
    let become_root = || -> nix::Result<()> {
        unistd::setresgid(Gid::from_raw(0), Gid::from_raw(0), Gid::from_raw(0))?;
        unistd::setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0))?;
        unistd::setgroups(&[])?;
        // A change of identity makes a process untraceable, and its children with it.
        nix::sys::prctl::set_dumpable(true)
    };
    become_root().map_err(cannot("become root of its user namespace"))?;
    unshare(apart).map_err(cannot("make namespaces"))?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .map_err(cannot("keep its mounts to itself"))
}

/// Waits for the inner process, and ends it when the session is gone; then removes a stage on disk.
fn watch(child: Pid) -> Result<(), Fault> {
    let ends = process_descriptor(child).map_err(cannot("watch its process"))?;
    let session = io::stdin();
    let mut both = [PollFd::new(session.as_fd(), PollFlags::empty()), PollFd::new(ends.as_fd(), PollFlags::POLLIN)];
    while matches!(poll(&mut both, PollTimeout::NONE), Err(Errno::EINTR)) {}
    let _ = kill(child, Signal::SIGKILL);
    while matches!(waitpid(child, None), Err(Errno::EINTR)) {}
    match fs::remove_dir_all(STAGE_ON_DISK) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(cannot("remove its stage")(error)),
        _ => Ok(()),
    }
}

/// A descriptor that can be read when the process has ended (pidfd_open(2)).
fn process_descriptor(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: plain numbers; the new descriptor belongs to nobody else.
    unsafe {
        let descriptor = libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0);
        if descriptor < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(descriptor as i32)) }
    }
}

/// The stage's name in the session's folder, where it is kept on disk.
const STAGE_ON_DISK: &str = "stage";

fn inner(settings: &Settings, door: Door) -> Result<(), Fault> {
    let names = Names::of_host();
    let procfs = enter(settings, door)?;
    limit().map_err(cannot("set limits"))?;
    let mut stage = Stage::new().map_err(cannot("look at its stage"))?;
    let mut input = BufReader::with_capacity(1 << 18, io::stdin().lock());
    let mut output = BufWriter::with_capacity(1 << 18, io::stdout().lock());
    let mut time = 0;
    send(&mut output, &Answer::Ready(door)).map_err(cannot("answer"))?;
    while let Some(request) = receive(&mut input).map_err(cannot("understand what is asked"))? {
        match request {
            Request::Put => {
                stage.put(&mut input).map_err(cannot("put a file into the stage"))?;
                send(&mut output, &Answer::Done).map_err(cannot("answer"))?;
            }
            Request::Run(step) => {
                time = step.time;
                stage.seal().map_err(cannot("look at the stage"))?;
                let code = run(&step, door, procfs.as_ref(), &names)?;
                send(&mut output, &Answer::Ended(code)).map_err(cannot("answer"))?;
            }
            Request::Read(path) => {
                let bytes = stage::read(Path::new(&path)).map_err(cannot("read a file of the stage"))?;
                let size = bytes.as_ref().map(|bytes| bytes.len() as u64);
                send(&mut output, &Answer::Bytes(size)).map_err(cannot("answer"))?;
                let sent = output.write_all(&bytes.unwrap_or_default()).and_then(|()| output.flush());
                sent.map_err(cannot("answer"))?;
            }
            Request::Look => {
                send(&mut output, &Answer::Stage).map_err(cannot("answer"))?;
                stage.look(time, &mut output).map_err(cannot("read the stage"))?;
            }
            Request::Collect => {
                withdraw(door, procfs.as_ref()).map_err(cannot("take its devices out of the stage"))?;
                send(&mut output, &Answer::Stage).map_err(cannot("answer"))?;
                stage.collect(time, &mut output).map_err(cannot("read the stage"))?;
                // A process in a namespace that it has not made itself may have threads; the one that waits may not.
                clear(Path::new("/"));
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Makes the stage's directory and moves into it. Gives what stands in for a `/proc`, where none can be mounted.
fn enter(settings: &Settings, door: Door) -> Result<Option<Procfs>, Fault> {
    let root = match door {
        Door::Chroot => on_disk()?,
        _ if fits_in_memory(settings.expected_size) => {
            let point = MOUNT_POINTS.iter().find(|point| Path::new(point).is_dir()).unwrap_or(&"/");
            mount(Some("stage"), *point, Some("tmpfs"), MsFlags::empty(), Some("mode=0755,size=100%,nr_inodes=0"))
                .map_err(cannot("mount a stage in memory"))?;
            PathBuf::from(point)
        }
        _ => {
            let root = on_disk()?;
            mount(Some(&root), &root, None::<&str>, MsFlags::MS_BIND, None::<&str>)
                .map_err(cannot("mount its stage"))?;
            root
        }
    };
    std::env::set_current_dir(&root).map_err(cannot("enter its stage"))?;
    furnish(door).map_err(cannot("put devices into its stage"))?;
    let procfs = match door {
        Door::Chroot => Procfs::keep().map_err(cannot("put a /proc into its stage"))?,
        _ => None,
    };
    match door {
        Door::Chroot => unistd::chroot("."),
        _ => unistd::pivot_root(".", ".").and_then(|()| umount2(".", MntFlags::MNT_DETACH)),
    }
    .and_then(|()| unistd::chdir("/"))
    .map_err(cannot("make its stage the root directory"))?;
    Ok(procfs)
}

fn on_disk() -> Result<PathBuf, Fault> {
    let root = PathBuf::from(STAGE_ON_DISK);
    fs::create_dir(&root).map_err(cannot("make a folder for its stage"))?;
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).map_err(cannot("make a folder for its stage"))?;
    Ok(root)
}

/// The largest stage in memory: with all else that a build holds it stays below 200 MiB.
const STAGE_IN_MEMORY: u64 = 96 << 20;

/// Whether the stage is small, and a quarter of the memory that is free holds it; the other three are for everybody else.
fn fits_in_memory(size: u64) -> bool {
    if size > STAGE_IN_MEMORY {
        return false;
    }
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kibibytes: u64 = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0);
    size < kibibytes * 1024 / 4
}

/// Puts `/dev` and `/proc` into the current directory, the future root. There is no `/sys`: it tells of the host.
fn furnish(door: Door) -> nix::Result<()> {
    for folder in ["dev", "proc", "sys"] {
        unistd::mkdir(folder, Mode::from_bits_truncate(0o755))?;
    }
    if door == Door::Chroot {
        for (name, major, minor) in DEVICES {
            let path = format!("dev/{name}");
            mknod(path.as_str(), SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(major, minor))?;
        }
    } else {
        mount(Some("dev"), "dev", Some("tmpfs"), MsFlags::MS_NOSUID, Some("mode=0755,size=64k"))?;
        for (name, ..) in DEVICES {
            let path = format!("dev/{name}");
            mknod(path.as_str(), SFlag::S_IFREG, Mode::from_bits_truncate(0o666), 0)?;
            let host = format!("/dev/{name}");
            mount(Some(host.as_str()), path.as_str(), None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
        }
        for folder in ["dev/pts", "dev/shm"] {
            unistd::mkdir(folder, Mode::from_bits_truncate(0o1777))?;
        }
        let options = Some("newinstance,ptmxmode=0666,mode=0620,gid=5");
        mount(Some("pts"), "dev/pts", Some("devpts"), MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, options)?;
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        // In a container whose /proc is masked the kernel gives no other one; scripts manage without.
        let _ = mount(Some("proc"), "proc", Some("proc"), flags, None::<&str>);
    }
    for (name, target) in DEVICE_LINKS {
        unistd::symlinkat(target, nix::fcntl::AT_FDCWD, format!("dev/{name}").as_str())?;
    }
    Ok(())
}

/// Takes out of the stage what [`enter`] put there.
fn withdraw(door: Door, procfs: Option<&Procfs>) -> io::Result<()> {
    procfs.map_or(Ok(()), Procfs::withdraw)?;
    if door != Door::Chroot {
        for point in ["/proc", "/dev/pts", "/dev"] {
            match umount2(point, MntFlags::MNT_DETACH) {
                Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    for name in DEVICES.iter().map(|device| device.0).chain(DEVICE_LINKS.iter().map(|link| link.0)) {
        match fs::remove_file(Path::new("/dev").join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// The largest stack of a program in bytes, the kernel's own default.
const STACK: u64 = 8 << 20;

/// Limits that differ between hosts are the same for all programs in the stage.
fn limit() -> nix::Result<()> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    // Where libraries are loaded follows from the stack's limit.
    let (_, most) = nix::sys::resource::getrlimit(Resource::RLIMIT_STACK)?;
    setrlimit(Resource::RLIMIT_STACK, most.min(STACK), most)?;
    let (_, most) = nix::sys::resource::getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most.min(1024), most.min(4096))?;
    umask(Mode::from_bits_truncate(0o022));
    stay_on_one_processor();
    Ok(())
}

/// Programs are told of one processor, and they get one: the tracer and what it traces take turns, and waking up another
/// processor for each turn costs more than it gains.
fn stay_on_one_processor() {
    if let Ok(here) = nix::sched::sched_getcpu() {
        let mut processors = CpuSet::new();
        // Where this fails, work only takes longer.
        let _ = processors.set(here).and_then(|()| sched_setaffinity(Pid::from_raw(0), &processors));
    }
}

fn run(step: &Step, door: Door, procfs: Option<&Procfs>, names: &Names) -> Result<i32, Fault> {
    let secrets = Secrets::show(step, door).map_err(cannot("show secrets to a program"))?;
    let shown = step.network.then(|| names.show()).transpose().map_err(cannot("show name servers to a program"))?;
    umask(Mode::from_bits_truncate(0o022));
    let code = tracer::run(step, procfs).map_err(cannot(format!("run `{}` under ptrace", step.command.join(" "))))?;
    umask(Mode::empty());
    secrets.hide().map_err(cannot("take secrets out of the stage"))?;
    shown.map_or(Ok(()), names::Shown::hide).map_err(cannot("take name servers out of the stage"))?;
    // Tells the session that the output so far belongs to this step.
    io::stderr().write_all(b"\0\n").map_err(cannot("answer"))?;
    Ok(code)
}

/// Files in `/run/secrets` for as long as a step runs.
struct Secrets {
    mounted: bool,
    shown: bool,
    made: Vec<PathBuf>,
}

impl Secrets {
    fn show(step: &Step, door: Door) -> io::Result<Self> {
        let mut secrets = Self { mounted: false, shown: !step.secrets.is_empty(), made: Vec::new() };
        if !secrets.shown {
            return Ok(secrets);
        }
        for folder in [Path::new("/run"), Path::new(SECRETS)] {
            if !folder.is_dir() {
                fs::create_dir(folder)?;
                fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
                secrets.made.push(folder.to_owned());
            }
        }
        if door != Door::Chroot {
            mount(Some("secrets"), SECRETS, Some("tmpfs"), MsFlags::MS_NOEXEC, Some("mode=0755,size=8m"))?;
            secrets.mounted = true;
        }
        for (name, bytes) in &step.secrets {
            let path = Path::new(SECRETS).join(name);
            fs::write(&path, bytes)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o400))?;
        }
        Ok(secrets)
    }

    fn hide(self) -> io::Result<()> {
        if self.mounted {
            umount2(SECRETS, MntFlags::MNT_DETACH)?;
        } else if self.shown {
            for entry in fs::read_dir(SECRETS)? {
                fs::remove_file(entry?.path())?;
            }
        }
        for folder in self.made.iter().rev() {
            // A program may have put something beside the secrets; then the folder stays.
            drop(fs::remove_dir(folder));
        }
        Ok(())
    }
}
