//! A host of Client ID Metadata Documents: https on a port of this machine, with a certificate authority of its own.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// The host. It stops when it is dropped.
#[derive(Debug)]
pub struct DocumentHost {
    port: u16,
    ca: PathBuf,
    documents: Arc<Mutex<HashMap<String, String>>>,
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
        let (documents, asked) = (Arc::<Mutex<HashMap<String, String>>>::default(), Arc::<AtomicUsize>::default());
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
        self.documents.lock().expect("no panic holds this").insert(path.to_owned(), document.to_string());
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
    documents: Arc<Mutex<HashMap<String, String>>>,
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
            let (status, body) = match document {
                Some(document) => ("200 OK", document),
                None => ("404 Not Found", "{}".to_owned()),
            };
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nCache-Control: max-age=300\r\n\
                 Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
            // Whoever went away does not want it.
            if stream.write_all(answer.as_bytes()).await.is_ok() {
                let _: std::io::Result<()> = stream.shutdown().await;
            }
        });
    }
}
