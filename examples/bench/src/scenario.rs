//! What is asked over and over, and what each connection needs before it can ask.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use clap::ValueEnum;
use http::{HeaderValue, Uri};

use crate::flow::{Code, Hands, Session, echo, get};
use crate::http::{Connection, path};
use crate::site::{OPEN, PROTECTED};
use crate::{Failure, Site};

/// A kind of load: what one operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum Scenario {
    /// A request to the server of the limits that does nothing.
    Hello,
    /// A registration that the server of the limits parses and repeats.
    Echo,
    /// A request for which the server of the limits verifies one EdDSA signature.
    Verify,
    /// `GET /open`: the trivial handler without a guard.
    Open,
    /// The same with a token, which nobody looks at: what the request for `protected` costs by itself.
    OpenWithToken,
    /// `GET /protected` with a token that the server has seen before.
    Protected,
    /// `GET /protected`, each token for the first time.
    ProtectedFirst,
    /// A registration, each of another client.
    Register,
    /// A refresh. Each session goes on from where it is.
    Refresh,
    /// A code for tokens. The codes are collected before.
    Exchange,
    /// Register, authorize, consent, login, callback, token.
    Flow,
    /// A hundred operations: 88 bearer checks, 8 refreshes, 2 registrations, 2 sign-ins.
    Mix,
}

impl Scenario {
    /// Whether it is for the server of the limits, which has no metadata.
    #[must_use]
    pub const fn is_limit(self) -> bool {
        matches!(self, Self::Hello | Self::Echo | Self::Verify)
    }

    /// Whether sessions are needed for it, and so the login.
    #[must_use]
    pub const fn signs_in(self) -> bool {
        !matches!(self, Self::Hello | Self::Echo | Self::Verify | Self::Open | Self::Register)
    }

    /// Whether an operation uses something up that was made before: then there is a number of them and no time.
    #[must_use]
    pub const fn is_finite(self) -> bool {
        matches!(self, Self::ProtectedFirst | Self::Exchange)
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_possible_value().as_ref().map_or("", |value| value.get_name()))
    }
}

/// Whom to ask for what.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "the programs fill it in")]
pub struct Plan {
    /// What.
    pub scenario: Scenario,
    /// The server, at one address or several.
    pub addresses: Vec<SocketAddr>,
    /// Who logs people in.
    pub upstream: Option<SocketAddr>,
    /// How many sessions each connection has, which it takes in turn.
    pub sessions: usize,
    /// How many operations of each connection are made ready, if they use something up.
    pub supply: usize,
}

/// One connection, and what it has to ask with.
#[derive(Debug)]
pub(crate) struct Worker {
    with: With,
    asked: usize,
}

#[derive(Debug)]
enum With {
    Limit { server: Connection, path: Uri, posts: bool },
    Page { hands: Hands, path: Uri, bearers: Vec<HeaderValue> },
    First { hands: Hands, path: Uri, bearers: std::vec::IntoIter<HeaderValue> },
    Register { hands: Hands },
    Refresh { hands: Hands, sessions: Vec<Session> },
    Exchange { hands: Hands, codes: std::vec::IntoIter<Code> },
    Flow { hands: Hands },
    Mix { hands: Hands, path: Uri, session: Session },
}

impl Plan {
    /// The connection of this number, ready to ask.
    pub(crate) async fn worker(&self, site: Option<Arc<Site>>, connection: usize) -> Result<Worker, Failure> {
        let with = match (self.scenario, site) {
            (Scenario::Hello, _) => self.limit(connection, "/hello", false).await?,
            (Scenario::Echo, _) => self.limit(connection, "/echo", true).await?,
            (Scenario::Verify, _) => self.limit(connection, "/verify", false).await?,
            (_, None) => return Err(Failure::new("a server without metadata")),
            (scenario, Some(site)) => {
                let hands = Hands::open(site, connection, self.upstream).await?;
                self.with(scenario, hands).await?
            }
        };
        Ok(Worker { with, asked: 0 })
    }

    async fn limit(&self, connection: usize, at: &str, posts: bool) -> Result<With, Failure> {
        let address = self.addresses[connection % self.addresses.len()];
        Ok(With::Limit { server: Connection::open(address).await?, path: path(at)?, posts })
    }

    async fn with(&self, scenario: Scenario, mut hands: Hands) -> Result<With, Failure> {
        Ok(match scenario {
            Scenario::Protected | Scenario::OpenWithToken => {
                let mut bearers = Vec::new();
                for _ in 0..self.sessions {
                    bearers.push(hands.sign_in().await?.bearer().clone());
                }
                let at = if scenario == Scenario::Protected { PROTECTED } else { OPEN };
                With::Page { hands, path: path(at)?, bearers }
            }
            Scenario::ProtectedFirst => {
                let mut session = hands.sign_in().await?;
                let mut bearers = Vec::new();
                for _ in 0..self.supply {
                    hands.refresh(&mut session).await?;
                    bearers.push(session.bearer().clone());
                }
                With::First { hands, path: path(PROTECTED)?, bearers: bearers.into_iter() }
            }
            Scenario::Register => With::Register { hands },
            Scenario::Refresh => {
                let mut sessions = Vec::new();
                for _ in 0..self.sessions {
                    sessions.push(hands.sign_in().await?);
                }
                With::Refresh { hands, sessions }
            }
            Scenario::Exchange => {
                let mut codes = Vec::new();
                for _ in 0..self.supply {
                    let client = Arc::new(hands.register().await?);
                    codes.push(hands.code(client).await?);
                }
                With::Exchange { hands, codes: codes.into_iter() }
            }
            Scenario::Flow => With::Flow { hands },
            Scenario::Mix => {
                let session = hands.sign_in().await?;
                With::Mix { hands, path: path(PROTECTED)?, session }
            }
            Scenario::Open | Scenario::Hello | Scenario::Echo | Scenario::Verify => {
                With::Page { hands, path: path(OPEN)?, bearers: Vec::new() }
            }
        })
    }
}

impl Worker {
    /// One operation. Answers whether there was anything left to do.
    pub(crate) async fn step(&mut self) -> Result<bool, Failure> {
        let turn = self.asked;
        self.asked = self.asked.wrapping_add(1);
        match &mut self.with {
            With::Limit { server, path, posts: true } => echo(server, path).await?,
            With::Limit { server, path, posts: false } => get(server, path, None).await?,
            With::Page { hands, path, bearers } => {
                hands.get(path, bearers.get(turn % bearers.len().max(1))).await?;
            }
            With::First { hands, path, bearers } => {
                let Some(bearer) = bearers.next() else { return Ok(false) };
                hands.get(path, Some(&bearer)).await?;
            }
            With::Register { hands } => drop(hands.register().await?),
            With::Refresh { hands, sessions } => {
                let session = turn % sessions.len();
                hands.refresh(&mut sessions[session]).await?;
            }
            With::Exchange { hands, codes } => {
                let Some(code) = codes.next() else { return Ok(false) };
                drop(hands.redeem(code).await?);
            }
            With::Flow { hands } => drop(hands.sign_in().await?),
            With::Mix { hands, path, session } => match turn % 100 {
                0 | 50 => *session = hands.sign_in().await?,
                25 | 75 => drop(hands.register().await?),
                turn if turn % 10 == 5 => hands.refresh(session).await?,
                _ => hands.get(path, Some(session.bearer())).await?,
            },
        }
        Ok(true)
    }
}
