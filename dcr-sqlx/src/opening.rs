//! What opening a database on a network has in common: the URL, the first connection, the pool.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use sqlx::pool::PoolOptions;
use sqlx::{ConnectOptions, Connection};
use url::Url;

use crate::dialect::Dialect;
use crate::migrate::OpenError;
use crate::retry::TRUSTED;

/// How long a request waits for a connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a connection that was idle may take to say that it is alive.
const PING: Duration = Duration::from_secs(1);
/// How long a server that is starting, perhaps at the same moment as we are, is waited for.
const STARTING: Duration = Duration::from_secs(10);
/// Idle connections are closed after this. The server's patience with us is longer.
const IDLE: Duration = Duration::from_secs(60);
/// So that new servers, certificates and passwords are taken up in time.
const LIFETIME: Duration = Duration::from_secs(30 * 60);
const CONNECTIONS: u32 = 10;

/// A database URL, read.
pub(crate) struct Address {
    /// Without the parameters that are ours.
    pub(crate) url: Url,
    /// How many connections the pool has at most.
    pub(crate) max_connections: u32,
    /// Whether no statement is to stay prepared.
    pub(crate) unprepared: bool,
}

/// Without the URL, which has the password.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address")
            .field("max_connections", &self.max_connections)
            .field("unprepared", &self.unprepared)
            .finish_non_exhaustive()
    }
}

impl Address {
    /// Refuses parameters that are not in `known`. Nothing of the URL is repeated but their names.
    pub(crate) fn parse(url: &str, known: &[&str]) -> Result<Self, OpenError> {
        // With a `/`, `?` or `#` in it as it is, a part of the password would be taken for the host, and told as such.
        let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
        if authority.split_once(['/', '?', '#']).is_some_and(|(_, rest)| rest.contains('@')) {
            return Err(OpenError::Url(malformed(
                "in user name, password and parameters write %2F for /, %3F for ?, %23 for #, %40 for @, %25 for %",
            )));
        }
        let mut url: Url = url.parse().map_err(|error: url::ParseError| OpenError::Url(malformed(error)))?;
        let mut address = Self { url: url.clone(), max_connections: CONNECTIONS, unprepared: false };
        let mut kept = Vec::new();
        for (name, value) in url.query_pairs() {
            match &*name {
                "max-connections" => {
                    let number = value.parse().ok().filter(|n| (1..=10_000).contains(n));
                    address.max_connections = number
                        .ok_or_else(|| OpenError::Parameter("`max-connections` is a number from 1 up".to_owned()))?;
                }
                name if known.contains(&name) || name.starts_with("options[") => {
                    address.unprepared |= name == "statement-cache-capacity" && value == "0";
                    kept.push((name.to_owned(), value.into_owned()));
                }
                name => return Err(OpenError::Parameter(format!("`{name}`"))),
            }
        }
        url.set_query(None);
        if !kept.is_empty() {
            url.query_pairs_mut().extend_pairs(kept);
        }
        address.url = url;
        Ok(address)
    }
}

pub(crate) fn malformed(error: impl Into<sqlx::error::BoxDynError>) -> sqlx::Error {
    sqlx::Error::Configuration(error.into())
}

/// Says so if anybody on the way to the database could be the database.
pub(crate) fn warn_unless_verified(host: &str, is_socket: bool, verified: bool) {
    let is_local =
        host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(|address: IpAddr| address.is_loopback());
    if !verified && !is_socket && !is_local {
        tracing::warn!(
            host,
            "the database connection does not check who answers: add sslmode=verify-full (PostgreSQL) or \
             ssl-mode=VERIFY_IDENTITY (MySQL) and, for an authority of your own, sslrootcert or ssl-ca to its URL"
        );
    }
}

/// What an error of the first connection means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The server is starting, or full.
    Passing,
    Credentials,
    UnknownDatabase,
    Other,
}

/// The first connection: it says what is wrong, where a pool would only wait.
pub(crate) async fn first<O: ConnectOptions<Connection: Sized>>(
    options: &O,
    place: &str,
    refusal: fn(&dyn sqlx::error::DatabaseError) -> Refusal,
) -> Result<O::Connection, OpenError> {
    let begun = Instant::now();
    loop {
        let answer = tokio::time::timeout(PATIENCE, options.connect()).await;
        let source = match answer {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => error,
            Err(_) => sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer")),
        };
        let place = place.to_owned();
        let refusal = match &source {
            sqlx::Error::Database(error) => refusal(error.as_ref()),
            sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Refusal::Passing,
            _ => Refusal::Other,
        };
        match (refusal, &source) {
            (Refusal::Passing, _) if begun.elapsed() < STARTING => tokio::time::sleep(TRUSTED).await,
            (Refusal::Credentials, _) => return Err(OpenError::Credentials { place, source }),
            (Refusal::UnknownDatabase, _) => return Err(OpenError::UnknownDatabase { place, source }),
            (Refusal::Other, sqlx::Error::Database(_)) => return Err(OpenError::Database(source)),
            _ => return Err(OpenError::Unreachable { place, source }),
        }
    }
}

/// Its connections are asked whether they live, if they were idle for a while, and are given a moment to say so: of one
/// whose other end is gone without a word, the system would hear after a quarter of an hour.
pub(crate) fn pool<DB: Dialect>(max_connections: u32) -> PoolOptions<DB> {
    PoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(PATIENCE)
        .idle_timeout(IDLE)
        .max_lifetime(LIFETIME)
        .test_before_acquire(false)
        .before_acquire(|connection: &mut DB::Connection, meta| {
            Box::pin(async move {
                if meta.idle_for < TRUSTED {
                    return Ok(true);
                }
                match tokio::time::timeout(PING, connection.ping()).await {
                    Ok(pong) => pong.map(|()| true),
                    Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
                }
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["sslmode", "statement-cache-capacity"];

    #[test]
    fn our_parameters_are_taken_and_the_others_stay() {
        let url = "postgres://u:p%40@db/dcr?max-connections=3&sslmode=verify-full&options[search_path]=a%20b";
        let address = Address::parse(url, KNOWN).unwrap();
        assert_eq!((address.max_connections, address.unprepared), (3, false));
        let rest = address.url.as_str();
        assert!(rest.starts_with("postgres://u:p%40@db/dcr?sslmode=verify-full&options"), "{rest}");
        assert!(!rest.contains("max-connections"), "{rest}");
        let plain = Address::parse("postgres://db/dcr", KNOWN).unwrap();
        assert_eq!((plain.url.as_str(), plain.max_connections), ("postgres://db/dcr", CONNECTIONS));
        assert!(Address::parse("postgres://db/dcr?statement-cache-capacity=0", KNOWN).unwrap().unprepared);
    }

    #[test]
    fn a_password_that_is_not_encoded_is_not_taken_for_a_host() {
        for url in
            ["mysql://u:ge/heim@db/dcr", "mysql://u:ge?heim@db/dcr", "mysql://u:ge#heim@db/dcr", "mysql://u:@/12@db/d"]
        {
            let error = Address::parse(url, KNOWN).unwrap_err().to_string();
            assert!(error.contains("%2F") && !error.contains("ge"), "{error}");
        }
        assert_eq!(Address::parse("mysql://u:g@h@db/dcr", KNOWN).unwrap().url.password(), Some("g%40h"));
    }

    #[test]
    fn an_address_does_not_show_its_password() {
        let url = "postgres://u:geheim@db/dcr?sslmode=geheim&max-connections=3";
        let shown = format!("{:?}", Address::parse(url, KNOWN).unwrap());
        assert!(shown.contains('3') && !shown.contains("geheim"), "{shown}");
    }

    #[test]
    fn a_parameter_that_means_nothing_is_refused_and_its_value_not_repeated() {
        for url in
            ["mysql://db/dcr?passwort=geheim", "mysql://db/dcr?sslmod=geheim", "mysql://db/dcr?max-connections=geheim"]
        {
            let error = Address::parse(url, KNOWN).unwrap_err().to_string();
            assert!(error.contains("means nothing"), "{error}");
            assert!(!error.contains("geheim"), "{error}");
        }
        for number in ["0", "-1", "10001", ""] {
            assert!(Address::parse(&format!("mysql://db/dcr?max-connections={number}"), KNOWN).is_err(), "{number}");
        }
        let error = Address::parse("mysql://user:geheim@db:99999/dcr", KNOWN).unwrap_err().to_string();
        assert!(error.contains("malformed") && !error.contains("geheim"), "{error}");
    }
}
