//! HTTP/1.1 as bytes on a socket: nothing is added, nothing is tidied up.

use std::fmt;
use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Far more than any answer takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request in the making.
#[derive(Clone)]
#[must_use]
pub struct Raw {
    line: String,
    head: Vec<u8>,
    body: Vec<u8>,
    half: bool,
}

impl Raw {
    /// With the host that the servers of some tests believe themselves to be.
    pub fn new(method: &str, target: &str) -> Self {
        let line = format!("{method} {target} HTTP/1.1");
        Self { line, head: Vec::new(), body: Vec::new(), half: false }.header("Host", "mcp.example")
    }

    /// GET.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// Without the headers that every request has.
    pub fn bare(line: &str) -> Self {
        Self { line: line.to_owned(), head: Vec::new(), body: Vec::new(), half: false }
    }

    /// POST of a form.
    pub fn form(target: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", target).header("Content-Type", "application/x-www-form-urlencoded").body(body)
    }

    /// POST of JSON.
    pub fn json(target: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", target).header("Content-Type", "application/json").body(body)
    }

    /// One more header line.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.head.extend_from_slice(name.as_bytes());
        self.head.extend_from_slice(b": ");
        self.head.extend_from_slice(value.as_ref());
        self.head.extend_from_slice(b"\r\n");
        self
    }

    /// With its length.
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let length = body.len().to_string();
        self.header("Content-Length", length).unframed(body)
    }

    /// In chunks of `size`.
    pub fn chunked(self, body: &[u8], size: usize) -> Self {
        let mut chunks = Vec::new();
        for chunk in body.chunks(size) {
            chunks.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            chunks.extend_from_slice(chunk);
            chunks.extend_from_slice(b"\r\n");
        }
        chunks.extend_from_slice(b"0\r\n\r\n");
        self.header("Transfer-Encoding", "chunked").unframed(chunks)
    }

    /// Exactly these bytes after the head, whatever the head says of them.
    pub fn unframed(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Ends the connection's sending half after the last byte.
    pub const fn breaking_off(mut self) -> Self {
        self.half = true;
        self
    }

    /// What is sent. The connection ends with the answer, so that all of it is read.
    pub fn bytes(&self) -> Vec<u8> {
        [self.line.as_bytes(), b"\r\n", &self.head, b"Connection: close\r\n\r\n", &self.body].concat()
    }

    /// With every `from` in the head replaced.
    pub fn replaced(&self, from: &str, to: &str) -> Self {
        // Byte for byte: a head need not be text.
        let mut head = Vec::new();
        let mut rest = self.head.as_slice();
        while let Some(at) = rest.windows(from.len()).position(|window| window == from.as_bytes()) {
            head.extend_from_slice(&rest[..at]);
            head.extend_from_slice(to.as_bytes());
            rest = &rest[at + from.len()..];
        }
        head.extend_from_slice(rest);
        Self { head, ..self.clone() }
    }

    /// For the message of a failure.
    pub fn describe(&self) -> String {
        let head = String::from_utf8_lossy(&self.head).replace("\r\n", " | ");
        let mut text = format!("{} | {head}[{} bytes]", self.line, self.body.len());
        if let Some((at, _)) = text.char_indices().nth(300) {
            text.truncate(at);
        }
        text
    }
}

/// An answer, or what there was of one.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// Status line and header lines as they came, of every interim answer too. Without `date`, and with `connection` last.
    pub head: Vec<String>,
    /// The body, its chunks put together.
    pub body: Vec<u8>,
}

impl Answer {
    /// The status; 0 if there was none.
    pub fn status(&self) -> u16 {
        let line = self.head.first().map_or("", String::as_str);
        line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let value = |line: &'_ str| {
            let (this, _) = line.split_once(": ")?;
            this.eq_ignore_ascii_case(name).then_some(this.len() + 2)
        };
        self.head.iter().find_map(|line| value(line).map(|at| &line[at..]))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Takes apart what came. Chunks are put together: where they are cut is a matter of timing.
    fn parse(read: &[u8]) -> Self {
        let mut answer = Self { head: Vec::new(), body: read.to_vec() };
        loop {
            let Some(end) = answer.body.windows(4).position(|four| four == b"\r\n\r\n") else { return answer };
            let rest = answer.body.split_off(end + 4);
            let head = String::from_utf8_lossy(&answer.body[..end]).into_owned();
            let interim = head.starts_with("HTTP/1.1 1");
            answer.head.extend(head.split("\r\n").filter(|line| !line.starts_with("date: ")).map(str::to_owned));
            answer.body = rest;
            if !interim {
                break;
            }
        }
        answer.head.sort_by_key(|line| line.starts_with("connection: "));
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = unchunked(&answer.body);
        }
        answer
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} || {}", self.head.join(" | "), self.text())
    }
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let Some(size) = size.filter(|size| *size > 0 && rest.len() >= end + 4 + size) else { break };
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
    // The last chunk, or whatever else is left, is part of the answer.
    body.extend_from_slice(rest);
    body
}

/// Sends and reads until the server has nothing more to say. What it does not want to read to the end it need not: its
/// answer counts, and is read while the request is still being sent.
pub async fn exchange(address: SocketAddr, request: &[u8], half: bool) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let (mut answers, mut requests) = socket.split();
    let send = async {
        if requests.write_all(request).await.is_ok() && half {
            // A server that is gone already has said all that it wanted.
            requests.shutdown().await.ok();
        }
        pending::<()>().await;
    };
    let mut read = Vec::new();
    let receive = async { while answers.read_buf(&mut read).await.is_ok_and(|n| n > 0) {} };
    let all = async {
        tokio::select! {
            () = send => {}
            () = receive => {}
        }
    };
    timeout(PATIENCE, all).await.unwrap_or_else(|_| panic!("no end of: {}", String::from_utf8_lossy(request)));
    read
}

/// Sends a request and takes apart what comes back.
pub async fn ask(address: SocketAddr, request: &Raw) -> Answer {
    Answer::parse(&exchange(address, &request.bytes(), request.half).await)
}
