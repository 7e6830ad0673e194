//! Several things at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};

/// Does `work` on all `items`, up to `parallel` at a time, beginning with the first; gives the results in the same order.
/// The first error ends the rest. What `work` tells of bytes is passed on to `on_bytes`, on this thread.
pub fn in_parallel<T: Sync, R: Send, E: Send>(
    items: &[T],
    parallel: usize,
    on_bytes: &dyn Fn(u64),
    work: impl Fn(&T, &dyn Fn(u64)) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, R)>> = Mutex::default();
    let failed: Mutex<Option<E>> = Mutex::new(None);
    let each = |told: &mpsc::Sender<u64>| loop {
        let place = next.fetch_add(1, Ordering::Relaxed);
        let Some(item) = items.get(place) else { return };
        // Whoever listens does so until the last thread is done.
        match work(item, &|bytes| _ = told.send(bytes)) {
            Ok(result) => done.lock().expect(NO_PANIC).push((place, result)),
            Err(error) => {
                failed.lock().expect(NO_PANIC).get_or_insert(error);
                next.store(items.len(), Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        let (told, heard) = mpsc::channel();
        for _ in 0..parallel.clamp(1, items.len().max(1)) {
            let (told, each) = (told.clone(), &each);
            scope.spawn(move || each(&told));
        }
        drop(told);
        heard.iter().for_each(on_bytes);
    });
    if let Some(error) = failed.into_inner().expect(NO_PANIC) {
        return Err(error);
    }
    let mut done = done.into_inner().expect(NO_PANIC);
    done.sort_by_key(|(place, _)| *place);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

const NO_PANIC: &str = "no thread panics while it holds this";

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn results_are_in_order_and_errors_end_the_rest() {
        let items: Vec<u64> = (0..100).collect();
        let bytes = Cell::new(0);
        let doubled = in_parallel(&items, 7, &|count| bytes.set(bytes.get() + count), |item, tell| {
            tell(*item);
            Ok::<_, ()>(item * 2)
        });
        assert_eq!(doubled.unwrap(), items.iter().map(|item| item * 2).collect::<Vec<_>>());
        assert_eq!(bytes.get(), 4950);
        let begun = AtomicUsize::new(0);
        let failed = in_parallel(&items, 2, &|_| {}, |item, _| {
            begun.fetch_add(1, Ordering::Relaxed);
            if *item == 3 { Err(*item) } else { Ok(()) }
        });
        assert_eq!(failed, Err(3));
        assert!(begun.into_inner() < 100);
        assert_eq!(in_parallel(&[] as &[u64], 3, &|_| {}, |_, _| Ok::<_, ()>(1)), Ok(vec![]));
    }
}
