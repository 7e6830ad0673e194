//! Downloads against a server on the loopback interface that misbehaves as told.

mod server;

use std::io::Write;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::*;
use server::{Server, reply, serve};

fn options() -> HttpOptions {
    HttpOptions {
        first_pause: Duration::from_millis(1),
        patience: Duration::from_secs(1),
        retries: 2,
        ..HttpOptions::default()
    }
}

struct Bench {
    _folder: tempfile::TempDir,
    store: Store,
    http: Http,
    told: AtomicU64,
}

impl Bench {
    fn new() -> Self {
        Self::with(options())
    }

    fn with(options: HttpOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        Self { _folder: folder, store, http: Http::new(options), told: AtomicU64::new(0) }
    }

    fn download(&self, candidates: &[String], body: &[u8]) -> Result<Blob, HttpError> {
        let tell = |bytes| {
            self.told.fetch_add(bytes, Ordering::Relaxed);
        };
        self.http.download(&job(candidates, body), &self.store, &tell)
    }
}

fn job(candidates: &[String], body: &[u8]) -> Job {
    Job {
        what: "the file".to_owned(),
        candidates: candidates.to_vec(),
        digest: Digest::of(body),
        size: body.len() as u64,
    }
}

fn large() -> Vec<u8> {
    (0..300_000u32).map(|place| (place % 251) as u8).collect()
}

#[test]
fn a_good_file_arrives_once() {
    let server = Server::start(|request, stream| serve(request, stream, &large()));
    let bench = Bench::new();
    let blob = bench.download(&[server.url("/x")], &large()).unwrap();
    assert_eq!(std::fs::read(&blob.path).unwrap(), large());
    assert_eq!(bench.told.load(Ordering::Relaxed), 300_000);
    bench.download(&[server.url("/x")], &large()).unwrap();
    assert_eq!(server.asked().len(), 1, "the second comes from the store");
    assert_eq!(bench.store.usage().unfinished, 0);
    // Servers call a `.gz` an encoding; its digest is that of the file.
    const EMPTY: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x03\0\0\0\0\0\0\0\0\0";
    let server = Server::start(|_, stream| reply(stream, "200 OK", "Content-Encoding: gzip\r\n", EMPTY));
    bench.download(&[server.url("/x.gz")], EMPTY).unwrap();
}

#[test]
fn documents_and_what_is_absent() {
    let server = Server::start(|request, stream| match request.path.as_str() {
        "/here" => reply(stream, "200 OK", "", b"text"),
        _ => reply(stream, "404 Not Found", "", b"a page"),
    });
    let http = Http::new(options());
    assert_eq!(http.fetch_bytes(&server.url("/here"), 4).unwrap(), b"text");
    assert!(matches!(http.fetch_bytes(&server.url("/here"), 3), Err(HttpError::TooLong { limit: 3, .. })));
    assert_eq!(http.fetch_optional(&server.url("/gone"), 9).unwrap(), None);
    let error = http.fetch_bytes(&server.url("/gone"), 9).unwrap_err();
    assert!(error.is_absent() && !error.is_local());
    assert_eq!(server.asked().iter().filter(|path| *path == "/gone").count(), 2, "404 is not asked again");
}

#[test]
fn trouble_that_passes_is_outlived() {
    let server = Server::start(|request, stream| match request.before {
        0 => reply(stream, "500 Internal Server Error", "", b""),
        1 => reply(stream, "503 Service Unavailable", "Retry-After: 1\r\n", b""),
        _ => serve(request, stream, b"body"),
    });
    assert_eq!(Bench::new().download(&[server.url("/x")], b"body").unwrap().size, 4);
}

#[test]
fn a_server_that_asks_for_too_long_a_pause_is_left() {
    let server = Server::start(|_, stream| reply(stream, "429 Too Many Requests", "Retry-After: 86400\r\n", b""));
    let error = Bench::new().download(&[server.url("/x")], b"body").unwrap_err();
    assert!(matches!(error, HttpError::Status { status: 429, retry_after: Some(86_400), .. }));
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn retry_after_may_be_a_date() {
    let dates = "Date: Sun, 01 Nov 2026 10:00:00 GMT\r\nRetry-After: Mon, 02 Nov 2026 10:00:00 GMT\r\n";
    let server = Server::start(move |_, stream| reply(stream, "503 Service Unavailable", dates, b""));
    let error = Bench::new().download(&[server.url("/x")], b"body").unwrap_err();
    assert!(matches!(error, HttpError::Status { retry_after: Some(86_400), .. }), "{error}");
}

#[test]
fn a_broken_connection_is_gone_on_with() {
    let server = Server::start(|request, stream| match request.before {
        0 => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n")?;
            stream.write_all(&large()[..100_000])
        }
        _ => {
            assert_eq!(request.range, Some(100_000));
            serve(request, stream, &large())
        }
    });
    let bench = Bench::new();
    assert_eq!(bench.download(&[server.url("/x")], &large()).unwrap().size, 300_000);
    assert_eq!(bench.told.load(Ordering::Relaxed), 300_000);
}

#[test]
fn a_server_without_ranges_sends_all_again() {
    let server = Server::start(|request, stream| match request.before {
        0 => {
            write!(stream, "HTTP/1.0 200 OK\r\n\r\n")?;
            stream.write_all(&large()[..100_000])
        }
        _ => reply(stream, "200 OK", "", &large()),
    });
    let bench = Bench::new();
    assert_eq!(bench.download(&[server.url("/x")], &large()).unwrap().size, 300_000);
    assert_eq!(bench.told.load(Ordering::Relaxed), 300_000, "no byte is told of twice");
}

#[test]
fn wrong_bytes_of_an_earlier_run_are_thrown_away() {
    for stale in [vec![0; 1000], vec![0; 300_000], vec![0; 400_000]] {
        let server = Server::start(|request, stream| serve(request, stream, &large()));
        let bench = Bench::new();
        let mut partial = bench.store.partial(&Digest::of(&large())).unwrap().unwrap();
        partial.append(&stale).unwrap();
        drop(partial);
        assert_eq!(bench.download(&[server.url("/x")], &large()).unwrap().size, 300_000);
    }
}

#[test]
fn a_partial_file_of_a_file_that_became_shorter_is_no_obstacle() {
    let server = Server::start(|request, stream| serve(request, stream, &large()[..50]));
    let bench = Bench::new();
    let mut partial = bench.store.partial(&Digest::of(&large())).unwrap().unwrap();
    partial.append(&large()[..100]).unwrap();
    drop(partial);
    let error = bench.download(&[server.url("/x")], &large()).unwrap_err();
    assert!(matches!(error, HttpError::Mismatch { received: 50, .. }), "{error}");
}

#[test]
fn wrong_bytes_name_both_digests_and_are_not_asked_for_again() {
    let server = Server::start(|request, stream| serve(request, stream, b"evil"));
    let bench = Bench::new();
    let error = bench.download(&[server.url("/x")], b"good").unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&Digest::of(b"good").hex()) && text.contains(&Digest::of(b"evil").hex()), "{text}");
    assert_eq!(server.asked().len(), 1);
    assert_eq!(bench.store.usage().unfinished, 0, "nothing of it is kept");
}

#[test]
fn a_short_file_is_a_mismatch() {
    let server = Server::start(|request, stream| serve(request, stream, b"goo"));
    let error = Bench::new().download(&[server.url("/x")], b"good").unwrap_err();
    assert!(matches!(error, HttpError::Mismatch { size: 4, received: 3, .. }), "{error}");
}

#[test]
fn an_endless_body_is_cut_off() {
    let server = Server::start(|_, stream| {
        write!(stream, "HTTP/1.1 200 OK\r\n\r\n")?;
        loop {
            stream.write_all(&[0; 65536])?;
        }
    });
    let error = Bench::new().download(&[server.url("/x")], b"good").unwrap_err();
    assert!(matches!(error, HttpError::TooLong { limit: 4, .. }), "{error}");
    let error = Http::new(options()).fetch_bytes(&server.url("/x"), 1 << 20).unwrap_err();
    assert!(matches!(error, HttpError::TooLong { .. }), "{error}");
}

#[test]
fn a_trickle_ends() {
    let server = Server::start(|_, stream| {
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n")?;
        loop {
            stream.write_all(&[0])?;
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let bench = Bench::with(HttpOptions { retries: 0, ..options() });
    let error = bench.download(&[server.url("/x")], &large()).unwrap_err();
    assert!(matches!(error, HttpError::TooSlow { received: 1.., .. }), "{error}");
}

#[test]
fn silence_ends() {
    let server = Server::start(|_, _| {
        std::thread::sleep(Duration::from_secs(600));
        Ok(())
    });
    let bench = Bench::with(HttpOptions { retries: 0, ..options() });
    let error = bench.download(&[server.url("/x")], &large()).unwrap_err();
    assert!(matches!(error, HttpError::TooSlow { received: 0, .. }), "{error}");
}

#[test]
fn redirects_are_followed_but_not_in_circles_or_elsewhere() {
    let server = Server::start(|request, stream| {
        let target = match request.path.as_str() {
            "/a" => "/b?token=secret",
            "/b?token=secret" => return serve(request, stream, b"body"),
            "/loop" => "/loop2",
            "/loop2" => "/loop",
            "/file" => "file:///etc/passwd",
            "/long" => "/long0",
            other => {
                let next = format!("Location: {other}0\r\n");
                return reply(stream, "302 Found", &next, b"");
            }
        };
        reply(stream, "302 Found", &format!("Location: {target}\r\n"), b"")
    });
    let bench = Bench::new();
    assert_eq!(bench.download(&[server.url("/a")], b"body").unwrap().size, 4);
    for (path, word) in [("/loop", "loop"), ("/file", "neither"), ("/long", "too many")] {
        let error = bench.download(&[server.url(path)], b"other").unwrap_err();
        assert!(matches!(error, HttpError::Redirect { .. }) && error.to_string().contains(word), "{error}");
    }
}

#[test]
fn the_next_mirror_takes_over() {
    let body = b"body".as_slice();
    let good = Server::start(|request, stream| serve(request, stream, b"body"));
    let bad = Server::start(|request, stream| match request.path.as_str() {
        "/500" => reply(stream, "500 Internal Server Error", "", b""),
        "/wrong" => serve(request, stream, b"evil"),
        "/long" => serve(request, stream, b"body and more"),
        "/refused" => reply(stream, "403 Forbidden", "", b""),
        _ => reply(stream, "404 Not Found", "", b""),
    });
    for path in ["/404", "/500", "/wrong", "/long", "/refused"] {
        let bench = Bench::new();
        assert_eq!(bench.download(&[bad.url(path), good.url("/x")], body).unwrap().size, 4, "{path}");
    }
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let bench = Bench::new();
    let dead = format!("http://{nobody}/x");
    assert_eq!(bench.download(&[dead.clone(), good.url("/x")], body).unwrap().size, 4);
    let error = bench.download(&[dead, bad.url("/404"), bad.url("/wrong")], b"else").unwrap_err();
    let HttpError::Exhausted { causes, .. } = &error else { panic!("{error}") };
    assert!(matches!(
        causes.as_slice(),
        [HttpError::Unreachable { .. }, HttpError::Absent { .. }, HttpError::Mismatch { .. }]
    ));
    assert!(!error.is_local() && !error.is_absent());
}

#[test]
fn what_one_mirror_began_another_completes() {
    let first = Server::start(|_, stream| {
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n")?;
        stream.write_all(&large()[..100_000])
    });
    let second = Server::start(|request, stream| {
        assert_eq!(request.range, Some(100_000));
        serve(request, stream, &large())
    });
    let bench = Bench::new();
    assert_eq!(bench.download(&[first.url("/x"), second.url("/x")], &large()).unwrap().size, 300_000);
}

#[test]
fn logins_are_sent_and_never_shown() {
    let server = Server::start(|request, stream| match request.login.as_deref() {
        // me:hunter2
        Some("Basic bWU6aHVudGVyMg==") => serve(request, stream, b"body"),
        _ => reply(stream, "401 Unauthorized", "", b""),
    });
    let bench = Bench::new();
    let with = |login: &str| format!("http://{login}@{}/x?key=hunter2", server.address);
    let error = bench.download(&[with("me:hunter3")], b"body").unwrap_err();
    assert!(matches!(error, HttpError::Refused { status: 401, .. }), "{error}");
    assert_eq!(error.to_string(), format!("`http://{}/x` may not be read: the server answered 401", server.address));
    assert_eq!(bench.download(&[with("me:hunter2")], b"body").unwrap().size, 4);
    let prefix = format!("http://{}", server.address);
    let credentials = vec![Credential::new(&prefix, "me", "hunter2").unwrap()];
    let bench = Bench::with(HttpOptions { credentials, ..options() });
    assert_eq!(bench.download(&[server.url("/x")], b"body").unwrap().size, 4);
    let error = bench.download(&["http://me:hunter2@127.0.0.1:1/x".to_owned()], b"gone").unwrap_err();
    assert!(!format!("{:?}", miette::Report::new(error)).contains("hunter2"));
}

#[test]
fn proxies_are_asked_for_the_whole_address() {
    let proxy = Server::start(|request, stream| match request.path.as_str() {
        "http://mirror.example/x" => serve(request, stream, b"body"),
        _ => reply(stream, "404 Not Found", "", b""),
    });
    let proxies = Proxies { http: Some(proxy.url("")), ..Proxies::default() };
    let bench = Bench::with(HttpOptions { proxies, ..options() });
    assert_eq!(bench.download(&["http://mirror.example/x".to_owned()], b"body").unwrap().size, 4);
}

#[test]
fn files_serve_as_mirrors_without_a_network() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a b");
    std::fs::write(&file, b"body").unwrap();
    let bench = Bench::with(HttpOptions { offline: true, ..options() });
    let url = format!("file://{}", file.display()).replace(' ', "%20");
    let missing = folder.path().join("missing").display().to_string();
    assert_eq!(bench.download(&[missing.clone(), url.clone()], b"body").unwrap().size, 4);
    assert_eq!(bench.http.fetch_bytes(&file.display().to_string(), 4).unwrap(), b"body");
    assert_eq!(bench.http.fetch_optional(&missing, 4).unwrap(), None);
    assert!(matches!(bench.http.fetch_bytes(&url, 3), Err(HttpError::TooLong { .. })));
    assert!(matches!(bench.download(&[url], b"bod"), Err(HttpError::TooLong { .. })));
    let error = bench.http.fetch_bytes(&folder.path().display().to_string(), 3).unwrap_err();
    assert!(matches!(error, HttpError::File { .. }), "{error}");
}

#[test]
fn offline_names_what_is_missing() {
    let bench = Bench::with(HttpOptions { offline: true, ..options() });
    let error = bench.download(&["http://a.example/x".to_owned()], b"body").unwrap_err();
    assert!(error.is_local() && error.to_string().contains("the file"), "{error}");
    assert_eq!(bench.store.usage().unfinished, 0);
    let error = bench.http.fetch_bytes("http://a.example/InRelease", 1).unwrap_err();
    assert!(error.to_string().contains("http://a.example/InRelease"), "{error}");
    assert!(matches!(bench.download(&[], b"body"), Err(HttpError::NoCandidate { .. })));
}

#[test]
fn bad_certificate_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, b"no certificate").unwrap();
    let http = Http::new(HttpOptions { certificates: vec![file], ..options() });
    let error = http.fetch_bytes("http://127.0.0.1:1/x", 1).unwrap_err();
    assert!(error.to_string().contains("ca.pem"), "{error}");
}

#[test]
fn many_at_once_arrive_in_any_order() {
    let server = Server::start(|request, stream| serve(request, stream, request.path.as_bytes()));
    let bench = Bench::new();
    let paths: Vec<String> = (0..40).map(|number| format!("/{number}")).collect();
    let jobs: Vec<Job> = paths.iter().map(|path| job(&[server.url(path)], path.as_bytes())).collect();
    let arrived = Mutex::new(Vec::new());
    let each = |place: usize, blob: Blob| -> Result<(), HttpError> {
        assert_eq!(std::fs::read(&blob.path).unwrap(), paths[place].as_bytes());
        arrived.lock().unwrap().push(place);
        Ok(())
    };
    bench.http.download_all(&jobs, &bench.store, &|_| (), each).unwrap();
    let mut arrived = arrived.into_inner().unwrap();
    arrived.sort_unstable();
    assert_eq!(arrived, (0..40).collect::<Vec<_>>());
}

#[test]
fn the_first_error_ends_the_rest() {
    let server = Server::start(|request, stream| match request.path.as_str() {
        "/0" => reply(stream, "404 Not Found", "", b""),
        _ => {
            std::thread::sleep(Duration::from_secs(600));
            Ok(())
        }
    });
    let bench = Bench::with(HttpOptions { patience: Duration::from_secs(300), ..options() });
    let jobs: Vec<Job> =
        (0..40).map(|number| job(&[server.url(&format!("/{number}"))], format!("{number}").as_bytes())).collect();
    let count = AtomicUsize::new(0);
    let each = |_, _| -> Result<(), HttpError> {
        count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    };
    let error = bench.http.download_all(&jobs, &bench.store, &|_| (), each).unwrap_err();
    assert!(matches!(error, HttpError::Absent { .. }), "{error}");
    assert_eq!(count.into_inner(), 0);
}

#[test]
fn two_processes_download_once() {
    let server = Server::start(|request, stream| {
        std::thread::sleep(Duration::from_millis(300));
        serve(request, stream, &large())
    });
    let folder = tempfile::tempdir().unwrap();
    let jobs = [job(&[server.url("/x")], &large())];
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let store = Store::open(folder.path()).unwrap();
                let http = Http::new(options());
                assert_eq!(http.download(&jobs[0], &store, &|_| ()).unwrap().size, 300_000);
            });
        }
    });
    assert_eq!(server.asked().len(), 1);
}
