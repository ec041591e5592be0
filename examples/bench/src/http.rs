//! HTTP as the load speaks it: one connection that is kept, one request at a time, no pool, no redirects, no cookies of its
//! own. What the client costs is taken from the server, which shares the machine.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::Failure;

/// More of an unexpected answer is not shown.
const EXCERPT: usize = 200;

/// A connection that is kept.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    host: HeaderValue,
    sender: SendRequest<Full<Bytes>>,
}

/// An answer, whole.
#[derive(Debug)]
#[non_exhaustive]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Connection {
    /// Opens one.
    ///
    /// # Errors
    /// [`Failure`] if nobody listens there.
    pub async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let failed = |error: &dyn std::error::Error| Failure::at(address, error);
        let stream = TcpStream::connect(address).await.map_err(|error| failed(&error))?;
        // A request is one write; waiting for more of it would be measured as the server's.
        stream.set_nodelay(true).map_err(|error| failed(&error))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
        // Its end is seen by the next request.
        tokio::spawn(async move {
            let _: Result<(), hyper::Error> = connection.await;
        });
        let host = HeaderValue::try_from(address.to_string()).map_err(|error| failed(&error))?;
        Ok(Self { address, host, sender })
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// [`Failure`] if the connection breaks off. It is not opened again: a server that closes connections is measured wrongly.
    pub async fn send(
        &mut self,
        method: Method,
        path: &Uri,
        headers: &[(HeaderName, HeaderValue)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, Failure> {
        let mut request = Request::new(Full::new(body.into()));
        *request.method_mut() = method;
        *request.uri_mut() = path.clone();
        request.headers_mut().insert(HOST, self.host.clone());
        for (name, value) in headers {
            request.headers_mut().append(name.clone(), value.clone());
        }
        let answer = async {
            self.sender.ready().await?;
            let (parts, body) = self.sender.send_request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, hyper::Error>(Answer { status: parts.status, headers: parts.headers, body })
        };
        answer.await.map_err(|error| Failure::at(format_args!("{} {}", self.address, path.path()), error))
    }
}

impl Answer {
    /// The answer, if it has this status.
    ///
    /// # Errors
    /// [`Failure`] with the beginning of its body.
    pub fn expect(self, status: StatusCode, what: &str) -> Result<Self, Failure> {
        if self.status == status {
            return Ok(self);
        }
        let text = String::from_utf8_lossy(&self.body);
        let text: String = text.chars().take(EXCERPT).collect();
        Err(Failure::new(format!("{what}: {} in place of {status}: {text}", self.status)))
    }

    /// A header's text.
    ///
    /// # Errors
    /// [`Failure`] if there is no such header.
    pub fn header(&self, name: HeaderName) -> Result<&str, Failure> {
        let value = self.headers.get(&name).and_then(|value| value.to_str().ok());
        value.ok_or_else(|| Failure::new(format!("an answer of {} without {name}", self.status)))
    }
}

/// A path, and perhaps a query, as a request line has it.
///
/// # Errors
/// [`Failure`] if it is none.
pub fn path(text: &str) -> Result<Uri, Failure> {
    text.parse().map_err(|error| Failure::at(text, error))
}

/// What is behind the authority of an absolute URL.
///
/// # Errors
/// [`Failure`] if it is none.
pub fn path_of(url: &str) -> Result<Uri, Failure> {
    let url: Uri = path(url)?;
    path(url.path_and_query().map_or("/", |path| path.as_str()))
}
