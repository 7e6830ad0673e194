//! `rootsmith capture`.

use std::fmt::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use crate::platform::Platform;
use crate::recipe::{Allowance, CAPTURE_PRESETS, ImagePath, Kept, PathPattern, SECRET_RULES};

/// Make an image of a machine or a folder as it is now.
///
/// One file system is read, unless others are asked for. What belongs to that one machine and its people is removed, by
/// presets that can be switched off one by one. Where private keys, password hashes, tokens or logins are left, nothing
/// is written and the exit code is 1, unless each is allowed.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = after_help())]
pub struct CaptureArgs {
    /// The folder that becomes the image's root: `/`, a chroot, a mounted disk
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
    /// Where the image goes; may be repeated
    ///
    /// `TRANSPORT:PLACE`, as for `build`.
    #[arg(short, long = "output", value_name = "OUTPUT")]
    pub outputs: Vec<String>,
    /// A name in place of `captured:latest`, or `:TAG` for a tag alone; may be repeated
    #[arg(short, long = "tag", value_name = "NAME[:TAG]")]
    pub tags: Vec<String>,
    /// The platform of the captured files; the default is found out from them
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<Platform>,
    /// Leave out a path of the image, with wildcards; may be repeated
    #[arg(long, value_name = "PATTERN", help_heading = "What is captured")]
    pub exclude: Vec<PathPattern>,
    /// Switch off a preset, or let presets leave a path alone; may be repeated
    #[arg(long, value_name = "PRESET|PATTERN", help_heading = "What is captured")]
    pub keep: Vec<Kept>,
    /// Let a secret be in the image, by its path and, if wanted, a rule; may be repeated
    #[arg(long, value_name = "[RULE:]PATTERN", help_heading = "What is captured")]
    pub allow: Vec<Allowance>,
    /// Capture the file system mounted at this path of the image, too; may be repeated
    #[arg(long = "include-mount", value_name = "PATH", help_heading = "What is captured")]
    pub mounts: Vec<ImagePath>,
    /// Capture all mounted file systems, but those of the kernel and in memory
    #[arg(long, conflicts_with = "mounts", help_heading = "What is captured")]
    pub across_file_systems: bool,
    /// Leave out what may not be read, in place of ending with an error
    #[arg(long, help_heading = "What is captured")]
    pub skip_unreadable: bool,
    /// Write what was removed and found to a file, as JSON, also where the capture is refused
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// How many threads compress; the image does not depend on it
    #[arg(long, value_name = "N", value_parser = super::count)]
    pub threads: Option<NonZeroUsize>,
    /// Print one JSON object in place of the digest
    #[arg(long)]
    pub json: bool,
}

fn after_help() -> String {
    let mut text = String::from(
        "\
Examples:
  rootsmith capture / -o oci:machine
  rootsmith capture /srv/chroot -o docker-daemon:chroot:latest --report report.json
  rootsmith capture / -o rootfs-tar:machine.tar --keep users --keep databases --exclude '/srv/**'
  rootsmith capture / -o oci:machine --allow private-key:/etc/app/key.pem

Presets, each switched off by --keep NAME:
",
    );
    // Writing to a string cannot fail.
    for (_, name, what) in CAPTURE_PRESETS {
        let _ = writeln!(text, "  {name:<14} {what}");
    }
    text.push_str("\nRules, for --allow RULE:PATTERN:\n");
    for (name, what) in SECRET_RULES {
        let _ = writeln!(text, "  {name:<14} {what}");
    }
    text.truncate(text.trim_end().len());
    text
}
