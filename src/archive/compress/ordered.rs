//! Work that several threads do, whose results come in the order in which it was given.

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroUsize;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::ended;

/// Threads that make a `D` of each `J`.
pub struct Ordered<J, D> {
    jobs: Sender<(J, Sender<D>)>,
    workers: Vec<JoinHandle<()>>,
    /// Results on their way, first to be given out first.
    pending: VecDeque<Receiver<D>>,
}

impl<J: Send + 'static, D: Send + 'static> Ordered<J, D> {
    /// Starts the threads, or as many as may be started: fewer take longer, for the same results. Each works by what `worker` makes
    /// for it.
    pub fn start<F: FnMut(J) -> D>(
        name: &str,
        threads: NonZeroUsize,
        worker: impl Fn() -> F + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let (jobs, received) = bounded::<(J, Sender<D>)>(threads.get());
        let start = || {
            let (received, worker) = (received.clone(), worker.clone());
            std::thread::Builder::new().name(name.to_owned()).spawn(move || {
                let mut work = worker();
                for (job, done) in received {
                    // Nobody waits for the result where the work was given up.
                    let _ = done.send(work(job));
                }
            })
        };
        let mut workers = vec![start()?];
        workers.extend((1..threads.get()).map_while(|_| start().ok()));
        Ok(Self { jobs, workers, pending: VecDeque::new() })
    }

    /// Gives out work; waits where no thread is free to take it.
    pub fn begin(&mut self, job: J) -> io::Result<()> {
        let (done, result) = bounded(1);
        self.jobs.send((job, done)).map_err(|_| ended())?;
        self.pending.push_back(result);
        Ok(())
    }

    /// The first result, where so many are on their way that no thread waits for work: one in work and one waiting for each.
    pub fn first_of_many(&mut self) -> io::Result<Option<D>> {
        if self.pending.len() > 2 * self.workers.len() { self.first() } else { Ok(None) }
    }

    /// The first result; nothing once all were given out.
    pub fn first(&mut self) -> io::Result<Option<D>> {
        self.pending.pop_front().map(|first| first.recv().map_err(|_| ended())).transpose()
    }

    /// Ends the threads.
    pub fn end(self) -> io::Result<()> {
        drop(self.jobs);
        self.workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| ended()))
    }
}
