//! Reading headers while somebody else works on those before them.

use std::thread;

use crossbeam_channel::bounded;

use super::{ArchiveError, Item, Limits, Origin, SharedPath, read_tar_file};

/// How many entries go from one thread to the other at once: few waits, and little memory.
const AT_ONCE: usize = 256;

/// As [`read_tar_file`] for an archive of many entries: a thread of its own reads the headers, and `each` is called from this one.
pub fn read_tar_file_ahead(
    blob: &SharedPath,
    origin: &Origin,
    limits: &Limits,
    mut each: impl FnMut(Item) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    let (ready, batches) = bounded::<Vec<Item>>(4);
    thread::scope(|scope| {
        let headers = move || {
            let mut batch = Vec::with_capacity(AT_ONCE);
            let read = read_tar_file(blob, origin, limits, |item| {
                batch.push(item);
                if batch.len() < AT_ONCE {
                    return Ok(());
                }
                let full = std::mem::replace(&mut batch, Vec::with_capacity(AT_ONCE));
                ready.send(full).map_err(|_| Ended::Unwanted)
            });
            // Where nobody wants them any more, it is known why.
            let _ = ready.send(batch);
            read
        };
        let reader = thread::Builder::new().name("headers".to_owned()).spawn_scoped(scope, headers);
        let Ok(reader) = reader else { return read_tar_file(blob, origin, limits, each) };
        // Entries before one that cannot be read come first, and so do their errors.
        let worked = batches.into_iter().flatten().try_for_each(&mut each);
        let read = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        worked?;
        match read {
            Err(Ended::Unreadable(error)) => Err(error),
            Ok(()) | Err(Ended::Unwanted) => Ok(()),
        }
    })
}

/// Why the reading thread ended early.
enum Ended {
    Unreadable(ArchiveError),
    Unwanted,
}

impl From<ArchiveError> for Ended {
    fn from(error: ArchiveError) -> Self {
        Self::Unreadable(error)
    }
}
