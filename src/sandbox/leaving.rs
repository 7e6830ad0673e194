//! Stages that nobody needs any more. To remove one takes as long as to write it where the file system gives freed blocks
//! back to the disk one by one, and the tree that was collected from it does not have to wait for that.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::Session;
use crate::store::Store;

/// Sessions that are ending. Dropping the last clone waits for them.
#[derive(Clone, Debug, Default)]
pub(super) struct Leaving(Arc<Threads>);

#[derive(Debug, Default)]
struct Threads(Mutex<Vec<JoinHandle<()>>>);

impl Leaving {
    /// Ends `session` meanwhile. The folder that holds its stage is that of `store`, which stays as long.
    pub(super) fn end(&self, session: Session, store: Store) {
        let thread = thread::spawn(move || {
            drop(session);
            drop(store);
        });
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        for thread in self.0.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // A panic there was told already.
            let _ = thread.join();
        }
    }
}
