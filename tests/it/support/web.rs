//! A web server of a test, plain or with TLS, for as long as the test runs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::workspace::run;

/// What is asked for.
pub struct Request {
    /// With its leading slash.
    pub path: String,
    /// The header `Authorization`; empty where there is none.
    pub authorization: String,
}

/// What is answered.
pub struct Answer {
    status: u16,
    headers: Vec<String>,
    body: Vec<u8>,
}

impl Answer {
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.into() }
    }

    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    pub fn header(mut self, line: &str) -> Self {
        self.headers.push(line.to_owned());
        self
    }

    /// A file of a folder, by the path that was asked for.
    pub fn file(folder: &Path, path: &str) -> Self {
        match std::fs::read(folder.join(path.trim_start_matches('/'))) {
            Ok(bytes) => Self::ok(bytes),
            Err(_) => Self::status(404),
        }
    }
}

/// A server.
pub struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers on a port of its own.
    pub fn plain(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        Self::start("127.0.0.1:0", None, answer)
    }

    /// Answers with TLS at `address`. `certificate` has the key and the certificate.
    pub fn tls(
        address: &str,
        certificate: &Certificate,
        answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::start(address, Some(certificate.server()), answer)
    }

    fn start(
        address: &str,
        tls: Option<Arc<ServerConfig>>,
        answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, log) = (Arc::new(answer), Arc::clone(&asked));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answer, log, tls) = (Arc::clone(&answer), Arc::clone(&log), tls.clone());
                thread::spawn(move || match tls {
                    None => serve(stream, &*answer, &log),
                    Some(config) => {
                        serve(StreamOwned::new(ServerConnection::new(config).unwrap(), stream), &*answer, &log)
                    }
                });
            }
        });
        Self { port, asked }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The paths that were asked for until now.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Answers one request, and closes. A client that goes away is none of the server's troubles.
fn serve(stream: impl Read + Write, answer: &(impl Fn(&Request) -> Answer + ?Sized), log: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|count| *count > 0).map(|_| line.trim_end().to_owned())
    };
    let Some(first) = line() else { return };
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default().to_owned());
    let mut request = Request { path, authorization: String::new() };
    while let Some(header) = line().filter(|line| !line.is_empty()) {
        if let Some((name, value)) = header.split_once(": ")
            && name.eq_ignore_ascii_case("authorization")
        {
            request.authorization = value.to_owned();
        }
    }
    log.lock().unwrap().push(request.path.clone());
    let Answer { status, headers, body } = answer(&request);
    let mut head = format!("HTTP/1.1 {status} -\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
    for header in headers {
        head.push_str(&format!("{header}\r\n"));
    }
    let mut stream = reader.into_inner();
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(b"\r\n"));
    if method != "HEAD" {
        let _ = stream.write_all(&body);
    }
    let _ = stream.flush();
}

/// A certificate of an authority that nobody else knows.
pub struct Certificate {
    folder: tempfile::TempDir,
}

impl Certificate {
    /// One for an address of this machine.
    pub fn of(address: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let openssl = |arguments: &[&str]| {
            run(Command::new("openssl").args(arguments).current_dir(folder.path()));
        };
        std::fs::write(folder.path().join("leaf.ext"), format!("subjectAltName=IP:{address}\n")).unwrap();
        let key = ["-newkey", "rsa:2048", "-nodes"];
        let authority =
            ["req", "-x509", "-days", "2", "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem"];
        openssl(&[&authority[..], &key[..]].concat());
        openssl(
            &[&["req", "-new", "-subj", "/CN=test", "-keyout", "leaf.key", "-out", "leaf.csr"][..], &key[..]].concat(),
        );
        openssl(&[
            "x509",
            "-req",
            "-in",
            "leaf.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "leaf.ext",
            "-out",
            "leaf.pem",
        ]);
        Self { folder }
    }

    /// The file of the authority.
    pub fn authority(&self) -> String {
        self.folder.path().join("ca.pem").display().to_string()
    }

    fn server(&self) -> Arc<ServerConfig> {
        let certificate = CertificateDer::from_pem_file(self.folder.path().join("leaf.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(self.folder.path().join("leaf.key")).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap())
    }
}
