//! A caching mirror of a Debian archive on the loopback interface, for tests and measurements.
//!
//! It serves `/debian/...` and `/debian-security/...`. What it does not have yet it fetches from upstream, once, and
//! answers from its own copy from then on: everything that runs against one mirror sees one state of the archive. That
//! holds for what upstream does not have, too. Files whose name says their content (`pool/`, `by-hash/`) are kept from
//! one run to the next; the rest of `dists/` is dropped when a run begins, unless `--frozen` is given.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a tool of the tests, no part of the product"
)]

mod cache;
mod serve;

use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use clap::Parser;

use cache::Cache;

/// A caching mirror of a Debian archive on the loopback interface.
#[derive(Parser)]
struct Options {
    /// The archive served as `/debian`.
    #[arg(long)]
    upstream: String,
    /// The archive served as `/debian-security`.
    #[arg(long)]
    security: Option<String>,
    /// Where fetched files are kept.
    #[arg(long)]
    cache: PathBuf,
    /// The address to listen at; port 0 takes any free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: String,
    /// Keep the state of the archive that the cache holds.
    #[arg(long)]
    frozen: bool,
    /// A file that gets one line for each request: method and path.
    #[arg(long)]
    log: Option<PathBuf>,
}

fn main() {
    let options = Options::parse();
    let mut archives = vec![("debian".to_owned(), options.upstream.trim_end_matches('/').to_owned())];
    if let Some(security) = &options.security {
        archives.push(("debian-security".to_owned(), security.trim_end_matches('/').to_owned()));
    }
    let cache = Arc::new(Cache::open(options.cache, archives, options.frozen).expect("the cache's folder is usable"));
    let log = options
        .log
        .map(|path| std::fs::OpenOptions::new().create(true).append(true).open(path).expect("the log can be written"));
    let log = Arc::new(std::sync::Mutex::new(log));
    let listener = TcpListener::bind(&options.listen).expect("the address is free");
    println!("http://{}", listener.local_addr().expect("the listener has an address"));
    std::io::stdout().flush().expect("standard output is open");
    for connection in listener.incoming().flatten() {
        let (cache, log) = (Arc::clone(&cache), Arc::clone(&log));
        thread::spawn(move || {
            let note = |line: &str| {
                if let Some(log) = &mut *log.lock().unwrap() {
                    let _ = writeln!(log, "{line}");
                }
            };
            // A client that goes away is no trouble of ours.
            let _ = serve::connection(&connection, &cache, &note);
        });
    }
}
