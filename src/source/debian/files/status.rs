//! `/var/lib/dpkg/status.d`: which packages an image without dpkg has, for scanners and `inspect`.

use super::{Writer, source};
use crate::source::debian::InstallError;
use crate::source::debian::part::{Held, PARTIAL};
use crate::source::debian::unpack::Unpacked;
use crate::tree::{Content, Inode};

const FOLDER: &str = "var/lib/dpkg/status.d";

/// Writes the control file of `package` and the checksums of its files. Of one of which only parts are there, the first
/// says so and the second lists those; one that nothing is left of is not mentioned.
pub(super) fn write(
    writer: &mut Writer<'_>,
    package: &Unpacked,
    held: &Held,
    is_part: bool,
    all: &[Unpacked],
) -> Result<(), InstallError> {
    let unread = |source| InstallError::Content { package: package.name.clone(), source };
    let (mut control, mut sums) = (package.control.clone(), package.md5sums().map_err(unread)?);
    if !control.ends_with('\n') {
        control.push('\n');
    }
    if is_part {
        let count = held.count(writer.tree)?;
        if count.kept == 0 && count.all > 0 {
            return Ok(());
        }
        if count.kept < count.all {
            let end = control.trim_end_matches('\n').len();
            control.truncate(end);
            control.push_str(&format!("\n{PARTIAL}: {} of {} files\n", count.kept, count.all));
            sums = sums.map(|sums| held.sums_of_kept(&sums, writer.tree)).transpose()?;
        }
    }
    // Two architectures of one package have a file each.
    let twice = all.iter().filter(|other| other.name == package.name).count() > 1;
    let stem = if twice { format!("{}:{}", package.name, package.architecture) } else { package.name.clone() };
    writer.put(&format!("{FOLDER}/{stem}"), Inode::file(0o644, Content::bytes(control.into_bytes()), source()))?;
    if let Some(sums) = sums {
        writer.put(&format!("{FOLDER}/{stem}.md5sums"), Inode::file(0o644, Content::bytes(sums), source()))?;
    }
    Ok(())
}
