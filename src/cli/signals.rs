//! Ctrl-C and its like.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::interrupt;

/// How long undoing may take, so that the program ends within a second.
const PATIENCE: Duration = Duration::from_millis(800);

/// More than it takes to write down what was made.
const A_MOMENT: Duration = Duration::from_millis(20);

/// Whether the program has been told to end.
static IS_ENDING: AtomicBool = AtomicBool::new(false);

/// Waits for the program's end, where it has been told to end: what the program was at has its ground taken away by then,
/// and what it says about that is of no interest to anybody.
pub fn wait_for_end() {
    while IS_ENDING.load(Ordering::SeqCst) {
        std::thread::park();
    }
}

/// Ends the program when it is told to: what is written down in [`interrupt`] is undone, `last` is called, and the exit
/// code is 128 and the signal's number, 130 for Ctrl-C.
pub fn watch(last: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let Some(signal) = signals.forever().next() else { return };
        IS_ENDING.store(true, Ordering::SeqCst);
        let (done, is_done) = mpsc::channel();
        let undo = std::thread::Builder::new().name("undo".to_owned()).spawn(move || {
            interrupt::end();
            last();
            // For a thread that has made something and not yet written it down.
            std::thread::sleep(A_MOMENT);
            let _ = done.send(());
        });
        if undo.is_ok() {
            let _ = is_done.recv_timeout(PATIENCE);
        }
        std::process::exit(128 + signal);
    })?;
    Ok(())
}
