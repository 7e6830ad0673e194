//! Jobs: one, and many at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::http::location::Location;
use crate::http::partial::{Progress, receive, take};
use crate::http::stop::Stop;
use crate::http::{Http, HttpError, Job, file, without_secrets};
use crate::store::{Blob, Store};

/// The blob of `job`: from the store, else from the first candidate that has it.
pub(super) fn one(
    http: &Http,
    job: &Job,
    store: &Store,
    on_bytes: &(dyn Fn(u64) + Sync),
    stop: &Stop,
) -> Result<Blob, HttpError> {
    let mut progress = Progress::new(on_bytes);
    let blob = match stored(store, job)? {
        Some(blob) => blob,
        None => {
            let locations = job.candidates.iter().map(|candidate| Location::parse(candidate));
            let locations = locations.collect::<Result<Vec<_>, _>>()?;
            http.candidates.first_good(&http.options, &locations, &job.what, stop, |location| {
                from(http, location, job, store, &mut progress, stop)
            })?
        }
    };
    progress.at(job.size);
    Ok(blob)
}

/// All blobs in order, each given to `each`; the first error ends the rest.
pub(super) fn all<E: From<HttpError> + Send>(
    http: &Http,
    jobs: &[Job],
    store: &Store,
    on_bytes: &(dyn Fn(u64) + Sync),
    each: impl Fn(usize, Blob) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let stop = Stop::new();
    let next = AtomicUsize::new(0);
    let first_error = Mutex::new(None);
    let work = || {
        while !stop.is_given() {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(place) else { return };
            let outcome = one(http, job, store, on_bytes, &stop).map_err(E::from).and_then(|blob| each(place, blob));
            if let Err(error) = outcome {
                first_error.lock().expect("no thread panics while it holds the error").get_or_insert(error);
                stop.give();
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..http.options.parallel.clamp(1, jobs.len().max(1)) {
            scope.spawn(work);
        }
    });
    first_error.into_inner().expect("no thread panicked, or the scope would have").map_or(Ok(()), Err)
}

fn from(
    http: &Http,
    location: &Location,
    job: &Job,
    store: &Store,
    progress: &mut Progress<'_>,
    stop: &Stop,
) -> Result<Blob, HttpError> {
    let mut partial = take(store, job, http.options.patience, stop)?;
    // Who held it before may have completed it.
    if let Some(blob) = stored(store, job)? {
        return Ok(blob);
    }
    if partial.size() > job.size {
        partial.restart()?;
    }
    loop {
        let has_begun = partial.size() > 0;
        if partial.size() < job.size {
            match location {
                Location::Web(url) => {
                    let client = http.client(&job.what)?;
                    client.run(stop, receive(&client, url, &mut partial, job, progress))?;
                }
                Location::File(path) => file::receive(path, &mut partial, job, progress)?,
            }
        }
        let (found, received) = (partial.digest(), partial.size());
        if found == job.digest && received == job.size {
            return Ok(partial.commit()?);
        }
        partial.restart()?;
        // The wrong bytes may be those that were there before, from a broken mirror or a broken disk.
        if !has_begun {
            let shown = match location {
                Location::Web(url) => without_secrets(url.as_str()),
                Location::File(path) => path.display().to_string(),
            };
            return Err(HttpError::Mismatch { url: shown, expected: job.digest, found, size: job.size, received });
        }
    }
}

/// The blob in the store, if it is there and whole.
fn stored(store: &Store, job: &Job) -> Result<Option<Blob>, HttpError> {
    let Some(blob) = store.verified(&job.digest)? else { return Ok(None) };
    if blob.size == job.size {
        return Ok(Some(blob));
    }
    Err(HttpError::Mismatch {
        url: job.what.clone(),
        expected: job.digest,
        found: blob.digest,
        size: job.size,
        received: blob.size,
    })
}
