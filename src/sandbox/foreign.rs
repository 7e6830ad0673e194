//! Programs of another architecture: qemu-user, started by the kernel's binfmt_misc.
//!
//! Where the host has an emulator registered that works inside a stage (flag `F`: it was opened when it was registered),
//! there is nothing to do. Elsewhere, from Linux 6.7 on, a user namespace has registrations of its own: the worker makes
//! one, and nothing of the host changes (<https://docs.kernel.org/admin-guide/binfmt-misc.html>).

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::Mode;

use super::SandboxError;
use crate::platform::{Architecture, Platform};

/// How programs of an architecture run on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Means {
    /// By the processor.
    Native,
    /// By an emulator that the host has registered: its path.
    Registered(PathBuf),
    /// By an emulator that a worker registers for itself.
    Own(Emulator),
    /// Not at all: why not.
    None(Lack),
}

/// What is missing for running programs of an architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// No static qemu-user is installed.
    Emulator,
    /// There is one, but the kernel is older than 6.7, and the host has it not registered.
    Kernel,
}

/// An emulator to register.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Emulator {
    /// The line for binfmt_misc's `register`.
    line: String,
    /// The program.
    path: PathBuf,
}

/// Folders that emulators are in.
const FOLDERS: [&str; 4] = ["usr/bin", "usr/local/bin", "bin", "usr/libexec/qemu-binfmt"];
/// Where the kernel says what is registered.
const REGISTERED: &str = "proc/sys/fs/binfmt_misc";
/// The first Linux whose user namespaces have registrations of their own.
const FIRST: (u32, u32) = (6, 7);
/// Folders of which one exists everywhere, to mount on for a moment.
const MOUNT_POINTS: [&str; 4] = ["/mnt", "/tmp", "/run", "/var"];

impl Means {
    /// Looks at the machine whose files are below `root`.
    pub fn of(architecture: Architecture, root: &Path) -> Self {
        use Architecture::{Amd64, Arm, Arm64, I386};
        let host = Architecture::host();
        if host == Some(architecture) || matches!((host, architecture), (Some(Amd64), I386) | (Some(Arm64), Arm)) {
            return Self::Native;
        }
        if let Some(path) = registered(architecture, root) {
            return Self::Registered(path);
        }
        let names = [format!("qemu-{}-static", qemu_name(architecture)), format!("qemu-{}", qemu_name(architecture))];
        let places = FOLDERS.iter().flat_map(|folder| names.iter().map(move |name| format!("{folder}/{name}")));
        let found = places.map(|place| (root.join(&place), PathBuf::from(format!("/{place}"))));
        let Some((_, path)) = found.into_iter().find(|(file, _)| is_static(file)) else {
            return Self::None(Lack::Emulator);
        };
        if kernel(root).is_none_or(|version| version < FIRST) {
            return Self::None(Lack::Kernel);
        }
        Self::Own(Emulator { line: line(architecture, &path), path })
    }
}

impl Emulator {
    /// What a stage for `platform` needs on this machine; none where the kernel starts its programs by itself.
    pub fn for_platform(platform: Platform) -> Result<Option<Self>, SandboxError> {
        match Means::of(platform.architecture, Path::new("/")) {
            Means::Native | Means::Registered(_) => Ok(None),
            Means::Own(emulator) => Ok(Some(emulator)),
            Means::None(lack) => Err(SandboxError::Foreign { platform, reason: lack.reason(platform.architecture) }),
        }
    }

    /// The program.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Registers it for this process's user namespace, which has to be a new one. The registration lasts as long as what
    /// is given.
    pub(super) fn register(&self) -> io::Result<OwnedFd> {
        let point = MOUNT_POINTS.iter().map(Path::new).find(|point| point.is_dir()).unwrap_or(Path::new("/"));
        mount(Some("binfmt_misc"), point, Some("binfmt_misc"), MsFlags::empty(), None::<&str>)?;
        let kept = nix::fcntl::open(point, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
        let registered = fs::write(point.join("register"), &self.line);
        umount2(point, MntFlags::MNT_DETACH)?;
        registered?;
        Ok(kept?)
    }
}

impl Lack {
    /// In words, with what is needed.
    pub fn reason(self, architecture: Architecture) -> String {
        let name = qemu_name(architecture);
        match self {
            Self::Emulator => format!("there is no static qemu-{name}"),
            Self::Kernel => {
                format!("qemu-{name} is not registered, and Linux before 6.7 cannot do that for a build alone")
            }
        }
    }

    /// What to do, command by command.
    pub fn ways_out(self) -> Vec<String> {
        match self {
            Self::Emulator => vec!["sudo apt-get install qemu-user-static".to_owned()],
            Self::Kernel => vec!["sudo apt-get install binfmt-support qemu-user-static".to_owned()],
        }
    }
}

/// The emulator that the host has registered for programs of the architecture, so that it works in every root directory.
fn registered(architecture: Architecture, root: &Path) -> Option<PathBuf> {
    let folder = root.join(REGISTERED);
    if fs::read_to_string(folder.join("status")).is_ok_and(|status| status.trim() == "disabled") {
        return None;
    }
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).ok()?.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let header = header(architecture);
    files.iter().find_map(|file| {
        let text = fs::read_to_string(file).ok()?;
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let magic = bytes(field("magic ")?)?;
        let mask = field("mask ").and_then(bytes).unwrap_or_else(|| vec![0xff; magic.len()]);
        let is_meant = text.starts_with("enabled")
            && field("offset ")? == "0"
            && field("flags:")?.contains('F')
            && magic.len() <= header.len()
            && (0..magic.len()).all(|at| {
                let mask = mask.get(at).copied().unwrap_or(0xff);
                magic[at] & mask == header[at] & mask
            });
        is_meant.then(|| field("interpreter ").map(PathBuf::from))?
    })
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// The machine's number in ELF headers, whether it has 64 bits, and whether its numbers are big-endian.
fn machine(architecture: Architecture) -> (u16, bool, bool) {
    use object::elf::{EM_386, EM_AARCH64, EM_ARM, EM_LOONGARCH, EM_MIPS, EM_PPC64, EM_RISCV, EM_S390, EM_X86_64};
    match architecture {
        Architecture::Amd64 => (EM_X86_64, true, false),
        Architecture::Arm64 => (EM_AARCH64, true, false),
        Architecture::Arm | Architecture::ArmV6 | Architecture::ArmV5 => (EM_ARM, false, false),
        Architecture::I386 => (EM_386, false, false),
        Architecture::Ppc64le => (EM_PPC64, true, false),
        Architecture::Riscv64 => (EM_RISCV, true, false),
        Architecture::S390x => (EM_S390, true, true),
        Architecture::Mips64le => (EM_MIPS, true, false),
        Architecture::Loong64 => (EM_LOONGARCH, true, false),
    }
}

/// The beginning of a program of the architecture (System V ABI, "ELF Header"), up to the machine's number.
fn header(architecture: Architecture) -> [u8; 20] {
    let (number, is_64, is_big) = machine(architecture);
    let half = |value: u16| if is_big { value.to_be_bytes() } else { value.to_le_bytes() };
    let mut header = [0; 20];
    header[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 1 + u8::from(is_64), 1 + u8::from(is_big), 1]);
    header[16..18].copy_from_slice(&half(object::elf::ET_EXEC));
    header[18..].copy_from_slice(&half(number));
    header
}

/// The line that registers the emulator: for programs at a fixed address (2) and at any (3), of every ABI. `P` keeps the
/// name that programs were called by, `F` opens the emulator now.
fn line(architecture: Architecture, path: &Path) -> String {
    let escaped = |bytes: &[u8]| bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
    let mut mask = [0xff; 20];
    mask[7] = 0;
    mask[if machine(architecture).2 { 17 } else { 16 }] = 0xfe;
    let (magic, mask) = (escaped(&header(architecture)), escaped(&mask));
    format!(":qemu-{}:M::{magic}:{mask}:{}:PF", qemu_name(architecture), path.display())
}

/// What qemu calls an architecture.
pub(super) fn qemu_name(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::Amd64 => "x86_64",
        Architecture::Arm64 => "aarch64",
        Architecture::Arm | Architecture::ArmV6 | Architecture::ArmV5 => "arm",
        Architecture::I386 => "i386",
        Architecture::Ppc64le => "ppc64le",
        Architecture::Riscv64 => "riscv64",
        Architecture::S390x => "s390x",
        Architecture::Mips64le => "mips64el",
        Architecture::Loong64 => "loongarch64",
    }
}

/// Whether a file is a program that needs no other file.
fn is_static(file: &Path) -> bool {
    use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
    let Ok(opened) = fs::File::open(file) else { return false };
    let cache = object::read::ReadCache::new(opened);
    let Ok(program) = ElfFile64::<object::Endianness, _>::parse(&cache) else { return false };
    let Ok(segments) = program.elf_header().program_headers(program.endian(), &cache) else { return false };
    !segments.iter().any(|segment| segment.p_type(program.endian()) == object::elf::PT_INTERP)
}

fn kernel(root: &Path) -> Option<(u32, u32)> {
    let text = fs::read_to_string(root.join("proc/sys/kernel/osrelease")).ok()?;
    let mut numbers = text.split(|character: char| !character.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: Architecture = if cfg!(target_arch = "s390x") { Architecture::Riscv64 } else { Architecture::S390x };

    fn machine_with(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, bytes) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        folder
    }

    /// A program without an interpreter: a header and no segments.
    fn program() -> Vec<u8> {
        let mut bytes = header(Architecture::Amd64).to_vec();
        bytes.resize(64, 0);
        (bytes[20], bytes[52], bytes[54]) = (1, 64, 56);
        bytes
    }

    #[test]
    fn nothing_is_needed_for_the_own_architecture() {
        let host = Architecture::host().unwrap();
        assert_eq!(Means::of(host, Path::new("/nonexistent")), Means::Native);
    }

    #[test]
    fn what_is_missing_is_told() {
        let qemu = format!("usr/bin/qemu-{}-static", qemu_name(OTHER));
        let osrelease = "proc/sys/kernel/osrelease";
        assert_eq!(Means::of(OTHER, machine_with(&[]).path()), Means::None(Lack::Emulator));
        let old = machine_with(&[(&qemu, &program()), (osrelease, b"6.1.0-44-amd64\n")]);
        assert_eq!(Means::of(OTHER, old.path()), Means::None(Lack::Kernel));
        let script = machine_with(&[(&qemu, b"#!/bin/sh\n"), (osrelease, b"6.12.0\n")]);
        assert_eq!(Means::of(OTHER, script.path()), Means::None(Lack::Emulator), "no program");
        let new = machine_with(&[(&qemu, &program()), (osrelease, b"6.7.0\n")]);
        let Means::Own(emulator) = Means::of(OTHER, new.path()) else { panic!("6.7 can") };
        assert_eq!(emulator.path, Path::new("/").join(&qemu));
        assert!(emulator.line.ends_with(&format!(":/{qemu}:PF")), "{}", emulator.line);
    }

    #[test]
    fn registrations_of_the_host_count_where_they_work_in_a_stage() {
        let entry = |flags: &str, state: &str| {
            let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let magic = hex(&header(OTHER));
            let mask = "ffffffffffffff00fffffffffffffffffffeffff";
            format!("{state}\ninterpreter /usr/libexec/qemu\nflags: {flags}\noffset 0\nmagic {magic}\nmask {mask}\n")
        };
        let means = |text: String, status: &str| {
            let place = "proc/sys/fs/binfmt_misc/";
            let files = [(format!("{place}qemu-other"), text), (format!("{place}status"), status.to_owned())];
            let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_bytes())).collect();
            Means::of(OTHER, machine_with(&files).path())
        };
        let found = Means::Registered("/usr/libexec/qemu".into());
        assert_eq!(means(entry("POCF", "enabled"), "enabled\n"), found);
        for (text, status) in [
            (entry("POC", "enabled"), "enabled"),
            (entry("POCF", "disabled"), "enabled"),
            (entry("POCF", "enabled"), "disabled"),
            (entry("POCF", "enabled").replace("magic 7f", "magic 7e"), "enabled"),
            ("enabled\nextension .jar\n".to_owned(), "enabled"),
        ] {
            assert_eq!(means(text.clone(), status), Means::None(Lack::Emulator), "{text} {status}");
        }
    }

    #[test]
    fn the_line_is_the_kernels() {
        // As qemu's own scripts/qemu-binfmt-conf.sh has it for this machine.
        let line = line(Architecture::Arm64, Path::new("/usr/bin/qemu-aarch64-static"));
        let magic = r"\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00";
        let mask = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff";
        assert_eq!(line, format!(":qemu-aarch64:M::{magic}:{mask}:/usr/bin/qemu-aarch64-static:PF"));
    }
}
