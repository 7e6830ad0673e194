//! Whose turn it is to mend what went wrong: the exit code of every error.

use super::*;

/// Whose turn it is to mend something; its number is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Blame {
    /// Nobody's: the answer is no.
    Answer = 1,
    /// What the user wrote: a recipe, a flag, a stale lock.
    Input = 2,
    /// This machine: a missing program, a full disk, no network.
    Machine = 3,
    /// Somebody else's: a mirror, a registry.
    Upstream = 4,
    /// Ours.
    Bug = 70,
}

impl Error {
    /// Whose turn it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Http(error) => of_http(error),
            Self::Store(error) => of_store(error),
            Self::Lock(LockError::Io { .. }) => Blame::Machine,
            Self::Resolve(error) => of_resolve(error),
            Self::Placed(placed) => of_resolve(&placed.error),
            Self::Fetch(FetchError::Http(error)) => of_http(error),
            Self::Fetch(FetchError::Install(error)) => of_install(error),
            Self::Fetch(FetchError::Package { source: PackageFileError::Read { .. }, .. }) => Blame::Machine,
            Self::Fetch(FetchError::Package { .. } | FetchError::OtherPackage { .. }) => Blame::Upstream,
            Self::Apk(error) => of_apk(error),
            Self::Dnf(error) => of_dnf(error),
            Self::Capture(error) => of_capture(error),
            Self::OciImage(error) => of_oci_image(error),
            Self::Registry(error) => of_registry(error),
            Self::Document(_) => Blame::Upstream,
            Self::Engine { source: EngineError::Talk { .. }, .. } => Blame::Machine,
            Self::Sandbox(error) => of_sandbox(error),
            #[cfg(feature = "conda")]
            Self::Conda(error) => of_conda(error),
            Self::NoConda => Blame::Machine,
            Self::ArchiveSource(error) => of_archive(error),
            Self::Open { source: OpenError::Temporary { .. }, .. } => Blame::Machine,
            Self::Image(ImageError::Store { source }) => of_store(source),
            Self::Dest(DestError::Cpio { source, .. }) if !matches!(source, CpioError::Content { .. }) => Blame::Input,
            Self::Image(ImageError::Write { .. } | ImageError::Threads { .. }) | Self::Dest(_) => Blame::Machine,
            Self::Pass(PassError::Content { .. }) => Blame::Machine,
            Self::Program(ProgramError::Unreadable { source: ElfError::Io(_), .. }) => Blame::Machine,
            Self::Pass(PassError::Compare { .. }) | Self::Compare { .. } | Self::Contents { .. } => Blame::Machine,
            _ => Blame::Input,
        }
    }

    /// The exit code of a program that ends with this error: 1, 2, 3, 4 or 70.
    pub fn exit_code(&self) -> u8 {
        self.blame() as u8
    }
}

fn of_capture(error: &CaptureError) -> Blame {
    match error {
        CaptureError::Secrets { .. } => Blame::Answer,
        CaptureError::NotMounted(_) | CaptureError::TooDeep(_) => Blame::Input,
        CaptureError::Root { source, .. } if source.kind() != std::io::ErrorKind::PermissionDenied => Blame::Input,
        CaptureError::Tree(_) => Blame::Bug,
        _ => Blame::Machine,
    }
}

fn of_http(error: &HttpError) -> Blame {
    match error {
        error if error.is_input() => Blame::Input,
        error if error.is_local() => Blame::Machine,
        _ => Blame::Upstream,
    }
}

#[cfg(feature = "conda")]
fn of_conda(error: &CondaError) -> Blame {
    match (error.trouble(), error.innermost()) {
        (Some(Trouble::Input), _) => Blame::Input,
        (Some(Trouble::Machine), _) => Blame::Machine,
        (Some(Trouble::Upstream), _) => Blame::Upstream,
        (None, CondaError::Store(error)) => of_store(error),
        (None, CondaError::Sandbox(error)) => of_sandbox(error),
        // A channel's folder that lacks a file it lists is the channel's trouble, wherever that is.
        (None, CondaError::Http(error)) if error.is_absent() || matches!(error, HttpError::File { .. }) => {
            Blame::Upstream
        }
        (None, CondaError::Http(error)) => of_http(error),
        (None, _) => Blame::Upstream,
    }
}

fn of_store(error: &StoreError) -> Blame {
    if matches!(error, StoreError::Mismatch { .. }) { Blame::Upstream } else { Blame::Machine }
}

fn of_resolve(error: &ResolveError) -> Blame {
    match error {
        ResolveError::Http(error) => of_http(error),
        ResolveError::Solve(_)
        | ResolveError::File(_)
        | ResolveError::LocalControl { .. }
        | ResolveError::LocalArchitecture { .. }
        | ResolveError::LocalTwice { .. }
        | ResolveError::EmptyList { .. }
        | ResolveError::Keyring { .. }
        | ResolveError::BadKeyring { .. }
        | ResolveError::NoKeys { .. }
        | ResolveError::Later { .. }
        | ResolveError::SliceOfNothing { .. } => Blame::Input,
        ResolveError::NoSuite { .. } | ResolveError::NotChosen { .. } | ResolveError::UnknownSuite { .. } => {
            Blame::Input
        }
        ResolveError::Packages(IndexError::NoComponent { .. } | IndexError::NoArchitecture { .. }) => Blame::Input,
        _ => Blame::Upstream,
    }
}

fn of_install(error: &InstallError) -> Blame {
    match error {
        InstallError::Store(error) => of_store(error),
        InstallError::Sandbox(error) => of_sandbox(error),
        InstallError::LocalData { .. }
        | InstallError::FileConflict { .. }
        | InstallError::CoversDirectory { .. }
        | InstallError::EmptySlice { .. } => Blame::Input,
        InstallError::NoProgram { .. } | InstallError::NoDebconf | InstallError::NoDpkg => Blame::Input,
        InstallError::NoEngine { .. } | InstallError::Engine { .. } => Blame::Machine,
        InstallError::Content { .. } | InstallError::Program { source: ElfError::Io(_), .. } => Blame::Machine,
        _ => Blame::Upstream,
    }
}

/// An image that is not there, or not the one that is meant, is the recipe's affair; one that is damaged or has changed
/// is that of whoever made it.
fn of_oci_image(error: &OciImageError) -> Blame {
    match error {
        OciImageError::Store(error) => of_store(error),
        OciImageError::Registry(error) => of_registry(error),
        OciImageError::Engine { source: EngineError::Talk { .. }, .. } => Blame::Machine,
        OciImageError::Open { source, .. } => match source {
            OpenError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Blame::Input,
            OpenError::Io { .. } => Blame::Machine,
            OpenError::NotLayout(_) | OpenError::NotImage(_) | OpenError::NoTar { .. } => Blame::Input,
            OpenError::Choose { .. } => Blame::Input,
            OpenError::Artifact { .. } | OpenError::Foreign { .. } => Blame::Input,
            OpenError::Encrypted { .. } | OpenError::LayerType { .. } => Blame::Input,
            _ => Blame::Upstream,
        },
        OciImageError::Changed { .. } | OciImageError::Damaged { .. } => Blame::Upstream,
        OciImageError::Read { .. } | OciImageError::Unpack { .. } | OciImageError::Document(_) => Blame::Upstream,
        _ => Blame::Input,
    }
}

/// What a registry refuses or gets wrong is its affair; files of logins and configuration are the user's.
fn of_registry(error: &RegistryError) -> Blame {
    match error {
        RegistryError::Store(error) => of_store(error),
        RegistryError::Http(error) => of_http(error),
        error if error.is_input() => Blame::Input,
        error if error.is_local() => Blame::Machine,
        _ => Blame::Upstream,
    }
}

fn of_dnf(error: &DnfError) -> Blame {
    match error {
        DnfError::Http(error) => of_http(error),
        DnfError::Store(error) => of_store(error),
        DnfError::Sandbox(error) => of_sandbox(error),
        DnfError::NoProgram { .. }
        | DnfError::Program { .. }
        | DnfError::Solver { .. }
        | DnfError::NoGroups
        | DnfError::Database { .. }
        | DnfError::Io { .. } => Blame::Machine,
        DnfError::NoRepository { .. }
        | DnfError::Metadata { .. }
        | DnfError::OtherIndex { .. }
        | DnfError::Signature { .. }
        | DnfError::Damaged { .. }
        | DnfError::OtherPackage { .. } => Blame::Upstream,
        _ => Blame::Input,
    }
}

fn of_archive(error: &ArchiveSourceError) -> Blame {
    match error {
        ArchiveSourceError::Http(error) => of_http(error),
        ArchiveSourceError::Store(error) => of_store(error),
        ArchiveSourceError::Mismatch { remote: true, .. } => Blame::Upstream,
        error if error.is_local() => Blame::Machine,
        _ => Blame::Input,
    }
}

fn of_apk(error: &ApkError) -> Blame {
    match error {
        ApkError::Http(error) => of_http(error),
        ApkError::Store(error) => of_store(error),
        ApkError::Sandbox(error) => of_sandbox(error),
        ApkError::Content { .. } => Blame::Machine,
        ApkError::Solve(_)
        | ApkError::FileConflict { .. }
        | ApkError::KindConflict { .. }
        | ApkError::NotChosen { .. } => Blame::Input,
        ApkError::KeyFile { .. } | ApkError::NoKeyInFile { .. } | ApkError::UnknownKey { .. } => Blame::Input,
        ApkError::NoRepository { .. } | ApkError::Unsigned { .. } | ApkError::World(_) => Blame::Input,
        _ => Blame::Upstream,
    }
}

/// A command of the image that fails is the recipe's affair; all else is the machine's.
fn of_sandbox(error: &SandboxError) -> Blame {
    match error {
        SandboxError::Program { .. } => Blame::Input,
        SandboxError::Store(error) => of_store(error),
        _ => Blame::Machine,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes() {
        let code = |error: HttpError| Error::from(error).exit_code();
        assert_eq!(code(HttpError::NoCandidate { what: "x".into() }), 2);
        assert_eq!(code(HttpError::Offline { what: "x".into() }), 3);
        assert_eq!(code(HttpError::Absent { url: "x".into() }), 4);
        let both = vec![HttpError::Absent { url: "x".into() }, HttpError::Offline { what: "x".into() }];
        assert_eq!(code(HttpError::Exhausted { what: "x".into(), causes: both }), 4);
        assert_eq!(Error::from(StoreError::InUse { root: "/x".into() }).exit_code(), 3);
        assert_eq!(Error::from(LockError::Format { path: "x".into(), found: 2, known: 1 }).exit_code(), 2);
    }
}
