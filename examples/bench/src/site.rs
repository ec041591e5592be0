//! A server as a client finds it: from the challenge of a guarded path to the endpoints, by metadata alone.

use std::net::SocketAddr;

use http::header::WWW_AUTHENTICATE;
use http::{Method, StatusCode, Uri};
use serde_json::Value;

use crate::Failure;
use crate::http::{Answer, Connection, path, path_of};

/// The path that answers the same without a guard and with one: [`OPEN`] and [`PROTECTED`].
pub const OPEN: &str = "/open";
/// See [`OPEN`].
pub const PROTECTED: &str = "/protected";

/// The endpoints of a server, at one or several addresses (replicas), which the connections take in turn.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Site {
    /// Where it listens; at least one.
    pub addresses: Vec<SocketAddr>,
    /// The issuer, which the browser's pages have for their origin.
    pub issuer: String,
    /// The resource that tokens are asked for.
    pub resource: String,
    /// The registration endpoint.
    pub register: Uri,
    /// The authorization endpoint.
    pub authorize: Uri,
    /// The token endpoint.
    pub token: Uri,
}

impl Site {
    /// Asks the first of the addresses.
    ///
    /// # Errors
    /// [`Failure`] if it is no server of ours.
    pub async fn discover(addresses: &[SocketAddr]) -> Result<Self, Failure> {
        let first = *addresses.first().ok_or_else(|| Failure::new("no address of a server"))?;
        let mut server = Connection::open(first).await?;
        let challenge = ask(&mut server, &path(PROTECTED)?).await?.expect(StatusCode::UNAUTHORIZED, PROTECTED)?;
        let challenge = challenge.header(WWW_AUTHENTICATE)?;
        let metadata = challenge.split_once("resource_metadata=\"").and_then(|(_, rest)| rest.split('"').next());
        let metadata = metadata.ok_or_else(|| Failure::new(format!("a challenge without metadata: {challenge}")))?;
        let resource = json(&mut server, &path_of(metadata)?).await?;
        let metadata = json(&mut server, &path("/.well-known/oauth-authorization-server")?).await?;
        Ok(Self {
            addresses: addresses.to_vec(),
            issuer: text(&metadata, "issuer")?.to_owned(),
            resource: text(&resource, "resource")?.to_owned(),
            register: path_of(text(&metadata, "registration_endpoint")?)?,
            authorize: path_of(text(&metadata, "authorization_endpoint")?)?,
            token: path_of(text(&metadata, "token_endpoint")?)?,
        })
    }

    /// The address of the connection of this number.
    #[must_use]
    pub fn address(&self, connection: usize) -> SocketAddr {
        self.addresses[connection % self.addresses.len()]
    }
}

async fn ask(server: &mut Connection, path: &Uri) -> Result<Answer, Failure> {
    server.send(Method::GET, path, &[], "").await
}

async fn json(server: &mut Connection, path: &Uri) -> Result<Value, Failure> {
    let answer = ask(server, path).await?.expect(StatusCode::OK, path.path())?;
    serde_json::from_slice(&answer.body).map_err(|error| Failure::at(path, error))
}

fn text<'a>(document: &'a Value, name: &str) -> Result<&'a str, Failure> {
    document[name].as_str().ok_or_else(|| Failure::new(format!("metadata without {name}")))
}
