//! A host of Client ID Metadata Documents: https on a port of this machine, with a certificate authority of its own.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// What there is at a path.
#[derive(Debug, Clone)]
enum Served {
    /// This answer, head and body.
    Answer(Vec<u8>),
    /// The head of an answer, and then a space a second.
    Drip,
}

/// The host. It stops when it is dropped.
#[derive(Debug)]
pub struct DocumentHost {
    port: u16,
    ca: PathBuf,
    documents: Arc<Mutex<HashMap<String, Served>>>,
    asked: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl DocumentHost {
    /// Its name.
    pub const HOST: &'static str = "localhost";

    /// Serves nothing yet; its certificate authority is in `directory`.
    pub async fn start(directory: &Path) -> Self {
        let mut authority = rcgen::CertificateParams::new([]).expect("no names");
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().expect("a key");
        let root = authority.self_signed(&key).expect("a certificate");
        let issuer = rcgen::Issuer::new(authority, key);
        let key = rcgen::KeyPair::generate().expect("a key");
        let leaf = rcgen::CertificateParams::new([Self::HOST.to_owned()]).expect("a name");
        let leaf = leaf.signed_by(&key, &issuer).expect("a certificate");
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .expect("a certificate and its key");
        let ca = directory.join("document-ca.pem");
        let pem = STANDARD.encode(root.der());
        let pem = format!("-----BEGIN CERTIFICATE-----\n{pem}\n-----END CERTIFICATE-----\n");
        std::fs::write(&ca, pem).expect("a file");

        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (documents, asked) = (Arc::<Mutex<HashMap<String, Served>>>::default(), Arc::<AtomicUsize>::default());
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let server = tokio::spawn(serve(listener, acceptor, Arc::clone(&documents), Arc::clone(&asked)));
        Self { port, ca, documents, asked, server }
    }

    /// The file with its certificate authority.
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    /// The URL of a path, which may be a client id.
    pub fn url(&self, path: &str) -> String {
        format!("https://{}:{}{path}", Self::HOST, self.port)
    }

    /// Serves a document at a path from now on.
    pub fn serve(&self, path: &str, document: &Value) {
        let cached = ("Cache-Control", "max-age=300");
        self.serve_answer(path, "200 OK", &[("Content-Type", "application/json"), cached], document.to_string());
    }

    /// Answers like this at a path from now on.
    pub fn serve_answer(&self, path: &str, status: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) {
        let body = body.into();
        let mut answer = format!("HTTP/1.1 {status}\r\n");
        for (name, value) in headers {
            answer.push_str(&format!("{name}: {value}\r\n"));
        }
        answer.push_str(&format!("Content-Length: {}\r\nConnection: close\r\n\r\n", body.len()));
        self.put(path, Served::Answer([answer.into_bytes(), body].concat()));
    }

    /// Begins an answer at a path from now on, and never ends one.
    pub fn drip(&self, path: &str) {
        self.put(path, Served::Drip);
    }

    fn put(&self, path: &str, served: Served) {
        self.documents.lock().expect("no panic holds this").insert(path.to_owned(), served);
    }

    /// Has no document at a path any more.
    pub fn remove(&self, path: &str) {
        self.documents.lock().expect("no panic holds this").remove(path);
    }

    /// How many requests there were.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for DocumentHost {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    documents: Arc<Mutex<HashMap<String, Served>>>,
    asked: Arc<AtomicUsize>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, documents, asked) = (acceptor.clone(), Arc::clone(&documents), Arc::clone(&asked));
        tokio::spawn(async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => return,
                }
            }
            asked.fetch_add(1, Ordering::SeqCst);
            let head = String::from_utf8_lossy(&head);
            let path = head.split(' ').nth(1).unwrap_or_default();
            let document = documents.lock().expect("no panic holds this").get(path).cloned();
            let answer = match document {
                Some(Served::Answer(answer)) => answer,
                Some(Served::Drip) => return drip(stream).await,
                None => b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}".to_vec(),
            };
            // Whoever went away does not want it.
            if stream.write_all(&answer).await.is_ok() {
                let _: std::io::Result<()> = stream.shutdown().await;
            }
        });
    }
}

/// Until whoever asked goes away.
async fn drip(mut stream: impl AsyncWrite + Unpin) {
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n".as_slice();
    let mut next = head;
    while stream.write_all(next).await.is_ok() && stream.flush().await.is_ok() {
        next = b" ";
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
