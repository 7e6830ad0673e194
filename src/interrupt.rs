//! What must be undone when the program is told to end.
//!
//! A signal belongs to the whole process, and so does this list. Values undo their work when they are dropped; a program
//! that ends by a signal drops nothing, so what must not stay behind (a process, a mount, a temporary folder) is also
//! written down here, and whoever receives the signal calls [`end`] and exits.

use std::sync::Mutex;

type Undo = Box<dyn FnOnce() + Send>;

struct Pending {
    is_ending: bool,
    next: u64,
    undos: Vec<(u64, Undo)>,
}

static PENDING: Mutex<Pending> = Mutex::new(Pending { is_ending: false, next: 0, undos: Vec::new() });

/// Something written down. Dropping this strikes it off without doing it.
#[must_use = "what is dropped is struck off"]
pub struct Registration(u64);

/// Writes down what to do when the program is told to end. It must be quick, and not wait for a lock that another
/// thread may hold for long. After [`end`] it is done at once, and this does not return.
pub fn on_interrupt(undo: impl FnOnce() + Send + 'static) -> Registration {
    let mut pending = lock();
    if pending.is_ending {
        drop(pending);
        undo();
        loop {
            std::thread::park();
        }
    }
    let number = pending.next;
    pending.next += 1;
    pending.undos.push((number, Box::new(undo)));
    Registration(number)
}

/// Does all that is written down, the last first. For the one who ends the program right after.
pub fn run_all() {
    loop {
        // Taken out one by one, as what is done may drop a registration.
        let Some((_, undo)) = lock().undos.pop() else { return };
        undo();
    }
}

/// As [`run_all`], once and for all: other threads go on until the program exits, and what they begin meanwhile is undone
/// too.
pub fn end() {
    lock().is_ending = true;
    run_all();
}

impl Drop for Registration {
    fn drop(&mut self) {
        lock().undos.retain(|(number, _)| *number != self.0);
    }
}

fn lock() -> std::sync::MutexGuard<'static, Pending> {
    PENDING.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_last_is_undone_first_and_what_is_dropped_never() {
        let done: Arc<Mutex<Vec<u8>>> = Arc::default();
        let note = |number: u8| {
            let done = Arc::clone(&done);
            on_interrupt(move || done.lock().unwrap().push(number))
        };
        let (_first, second, _third) = (note(1), note(2), note(3));
        drop(second);
        run_all();
        run_all();
        assert_eq!(*done.lock().unwrap(), [3, 1]);
    }
}
