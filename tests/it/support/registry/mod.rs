//! A registry of the tests' own, which can be made to misbehave: the OCI distribution protocol with the referrers API, basic
//! logins, a token server, and faults on demand.

mod state;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use rootsmith::digest::Digest;
use serde_json::{Value, json};

/// A running registry. Its threads end with the test's process.
#[derive(Clone)]
pub struct Registry {
    port: u16,
    state: Arc<Mutex<State>>,
}

/// What a registry has, and how it behaves.
#[derive(Default)]
struct State {
    repositories: BTreeMap<String, Repository>,
    uploads: BTreeMap<String, Vec<u8>>,
    log: Vec<Seen>,
    faults: Vec<Fault>,
    has_referrers: bool,
    keeps_uploads: bool,
    login: Option<(String, String)>,
    tokens: Option<Tokens>,
    next: usize,
}

#[derive(Default)]
struct Repository {
    blobs: BTreeMap<String, Vec<u8>>,
    manifests: BTreeMap<String, (String, Vec<u8>)>,
    tags: BTreeMap<String, String>,
}

/// A token server within the registry, at `/token`.
struct Tokens {
    /// What the registry calls the server's address.
    realm: String,
    /// After how many uses a token has run out.
    uses: usize,
    /// Scopes and uses left, by token.
    given: BTreeMap<String, (Vec<String>, usize)>,
    /// A token that is changed into others.
    identity: Option<String>,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// Path and query.
    pub path: String,
    pub authorization: Option<String>,
    /// Bytes of the body that arrived.
    pub received: usize,
    pub host: String,
}

/// Something that goes wrong, once or more often.
pub struct Fault {
    pub method: &'static str,
    /// What the path has in it.
    pub path: &'static str,
    pub times: usize,
    pub what: What,
}

/// What goes wrong.
#[derive(Clone)]
pub enum What {
    /// An answer in place of the right one.
    Answer { status: u16, headers: Vec<(String, String)>, body: Vec<u8> },
    /// The connection ends after so many bytes of the request's body.
    CutRequest(usize),
    /// The connection ends after so many bytes of the answer's body.
    CutAnswer(usize),
    /// The answer's body has another byte at this place.
    Flip(usize),
    /// The answer is all zeros, this many, announced or not.
    Flood { size: u64, announced: bool },
}

struct Request {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Registry {
    /// Starts an empty one with the referrers API, open to everybody.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = State { has_referrers: true, keeps_uploads: true, ..State::default() };
        let registry = Self { port, state: Arc::new(Mutex::new(state)) };
        let serving = registry.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let registry = serving.clone();
                thread::spawn(move || registry.serve(stream));
            }
        });
        registry
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Takes the referrers API away.
    pub fn without_referrers(self) -> Self {
        self.state().has_referrers = false;
        self
    }

    /// Forgets uploads whose connection broke.
    pub fn without_resuming(self) -> Self {
        self.state().keeps_uploads = false;
        self
    }

    /// Asks for this user and password.
    pub fn with_login(self, user: &str, password: &str) -> Self {
        self.state().login = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// Asks for tokens, each good for so many requests, of the server at `realm`; without one, of its own.
    pub fn with_tokens(self, realm: Option<String>, uses: usize) -> Self {
        let realm = realm.unwrap_or_else(|| format!("http://{}/token", self.address()));
        self.state().tokens = Some(Tokens { realm, uses, given: BTreeMap::new(), identity: None });
        self
    }

    /// Changes this token into others.
    pub fn with_identity(self, token: &str) -> Self {
        self.state().tokens.as_mut().unwrap().identity = Some(token.to_owned());
        self
    }

    /// Lets something go wrong from now on.
    pub fn fault(&self, method: &'static str, path: &'static str, times: usize, what: What) {
        self.state().faults.push(Fault { method, path, times, what });
    }

    /// Lets everything go right again.
    pub fn heal(&self) {
        self.state().faults.clear();
    }

    /// The requests so far, which are forgotten by this.
    pub fn log(&self) -> Vec<Seen> {
        std::mem::take(&mut self.state().log)
    }

    /// Takes a tag away.
    pub fn untag(&self, repository: &str, tag: &str) {
        self.state().repositories.get_mut(repository).unwrap().tags.remove(tag).unwrap();
    }

    /// The digests that tags lead to.
    pub fn tags(&self, repository: &str) -> BTreeMap<String, String> {
        self.state().repositories.get(repository).map(|repository| repository.tags.clone()).unwrap_or_default()
    }

    /// A manifest by its digest or tag.
    pub fn manifest(&self, repository: &str, which: &str) -> Option<Value> {
        let state = self.state();
        let found = state.repositories.get(repository)?.manifest(which)?;
        Some(serde_json::from_slice(&found.2).unwrap())
    }

    /// The digests of all blobs of a repository.
    pub fn blobs(&self, repository: &str) -> Vec<String> {
        let state = self.state();
        state.repositories.get(repository).map(|found| found.blobs.keys().cloned().collect()).unwrap_or_default()
    }

    /// Puts a blob into a repository; gives its descriptor.
    pub fn add_blob(&self, repository: &str, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes).to_string();
        let mut state = self.state();
        state.repositories.entry(repository.to_owned()).or_default().blobs.insert(digest.clone(), bytes.to_vec());
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    /// Puts a manifest into a repository, as somebody else may have pushed it; gives its descriptor.
    pub fn add_manifest(&self, repository: &str, manifest: &Value, tag: Option<&str>) -> Value {
        let bytes = serde_json::to_vec(manifest).unwrap();
        let digest = Digest::of(&bytes).to_string();
        let media_type = manifest["mediaType"].as_str().unwrap().to_owned();
        let mut state = self.state();
        let to = state.repositories.entry(repository.to_owned()).or_default();
        to.tags.extend(tag.map(|tag| (tag.to_owned(), digest.clone())));
        let descriptor = json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() });
        to.manifests.insert(digest, (media_type, bytes));
        descriptor
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Some(open) = self.exchange(&mut reader, &stream) {
            if !open {
                let _ = stream.shutdown(Shutdown::Both);
                return;
            }
        }
    }

    /// One request and its answer; says whether the connection stays, and nothing where there is no further request.
    fn exchange(&self, reader: &mut BufReader<TcpStream>, mut stream: &TcpStream) -> Option<bool> {
        let (mut request, length) = head(reader)?;
        let fault = self.take_fault(&request);
        let wanted = match fault {
            Some(What::CutRequest(after)) => after.min(length),
            _ => length,
        };
        let arrived = Read::by_ref(reader).take(wanted as u64).read_to_end(&mut request.body);
        let is_cut = arrived.is_err() || request.body.len() < length;
        self.state().log.push(Seen {
            method: request.method.clone(),
            path: request.path.clone(),
            authorization: request.headers.get("authorization").cloned(),
            received: request.body.len(),
            host: request.headers.get("host").cloned().unwrap_or_default(),
        });
        if is_cut {
            self.keep_cut(&request);
            return Some(false);
        }
        let mut answer = match fault.clone() {
            Some(What::Answer { status, headers, body }) => Answer { status, headers, body },
            Some(What::Flood { size, announced }) => {
                let length = if announced { format!("Content-Length: {size}\r\n") } else { String::new() };
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\n{length}\r\n"
                );
                let zeros = vec![b' '; 1 << 16];
                let mut left = size;
                while left > 0 && stream.write_all(&zeros).is_ok() {
                    left = left.saturating_sub(zeros.len() as u64);
                }
                return Some(false);
            }
            _ => self.answer(&request),
        };
        if let Some(What::Flip(place)) = fault
            && let Some(byte) = answer.body.get_mut(place)
        {
            *byte ^= 1;
        }
        let mut text = format!("HTTP/1.1 {} X\r\n", answer.status);
        answer.headers.iter().for_each(|(name, value)| text.push_str(&format!("{name}: {value}\r\n")));
        if !answer.headers.iter().any(|(name, _)| name == "Content-Length") && answer.status != 204 {
            text.push_str(&format!("Content-Length: {}\r\n", answer.body.len()));
        }
        text.push_str("\r\n");
        stream.write_all(text.as_bytes()).ok()?;
        if request.method == "HEAD" {
            return Some(true);
        }
        if let Some(What::CutAnswer(after)) = fault {
            stream.write_all(&answer.body[..after.min(answer.body.len())]).ok()?;
            return Some(false);
        }
        stream.write_all(&answer.body).ok()?;
        Some(true)
    }

    fn take_fault(&self, request: &Request) -> Option<What> {
        let mut state = self.state();
        let fits =
            |fault: &&mut Fault| fault.times > 0 && fault.method == request.method && request.path.contains(fault.path);
        let fault = state.faults.iter_mut().find(fits)?;
        fault.times -= 1;
        Some(fault.what.clone())
    }

    /// What a broken upload leaves.
    fn keep_cut(&self, request: &Request) {
        let mut state = self.state();
        let Some(id) = upload_id(&request.path) else { return };
        if state.keeps_uploads {
            if let Some(upload) = state.uploads.get_mut(&id) {
                upload.extend(&request.body);
            }
        } else {
            state.uploads.remove(&id);
        }
    }

    fn answer(&self, request: &Request) -> Answer {
        let mut state = self.state();
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        if path == "/token" {
            return state.give_token(request, query);
        }
        let Some(rest) = path.strip_prefix("/v2/") else { return Answer::new(404) };
        let (name, kind, which) = split(rest);
        if let Some(refusal) = state.refuse(request, name, query) {
            return refusal;
        }
        match (request.method.as_str(), kind) {
            _ if rest.is_empty() => Answer::new(200),
            ("GET" | "HEAD", "manifests") => state.manifest(name, which),
            ("PUT", "manifests") => state.put_manifest(name, which, request),
            ("POST", "blobs") => state.begin(name, query),
            ("GET" | "PATCH" | "PUT" | "DELETE", "blobs") if which.starts_with("uploads/") => {
                state.upload(name, &which["uploads/".len()..], query, request)
            }
            ("GET" | "HEAD", "blobs") => state.blob(name, which, request),
            ("GET", "referrers") if state.has_referrers => state.referrers(name, which),
            _ => Answer::new(404),
        }
    }
}

/// Reads a request up to its body; gives the body's length.
fn head(reader: &mut BufReader<TcpStream>) -> Option<(Request, usize)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?);
    // What comes by way of a proxy has its whole address.
    let path = match target.strip_prefix("http://") {
        Some(rest) => rest[rest.find('/')?..].to_owned(),
        None => target.to_owned(),
    };
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    Some((Request { method, path, headers, body: Vec::new() }, length))
}

/// `team/base`, `manifests`, `latest` of `team/base/manifests/latest`.
fn split(rest: &str) -> (&str, &str, &str) {
    for kind in ["manifests", "blobs", "referrers"] {
        let between = format!("/{kind}/");
        if let Some((name, which)) = rest.split_once(&between) {
            return (name, kind, which);
        }
    }
    (rest, "", "")
}

fn upload_id(path: &str) -> Option<String> {
    let rest = path.split_once("/blobs/uploads/")?.1;
    Some(rest.split('?').next().unwrap_or(rest).to_owned())
}

fn parameter(query: &str, name: &str) -> Option<String> {
    let found = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
    found.map(|(_, value)| value.replace("%3A", ":").replace("%2F", "/").replace("%2C", ",").replace('+', " "))
}

impl Answer {
    fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    fn body(mut self, bytes: Vec<u8>) -> Self {
        self.body = bytes;
        self
    }

    fn error(status: u16, code: &str, message: &str) -> Self {
        let body = json!({ "errors": [{ "code": code, "message": message }] });
        Self::new(status).body(serde_json::to_vec(&body).unwrap())
    }
}

/// What a client sends for a user and password.
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}
