//! Who did what is on the record.

use std::fmt;
use std::str::FromStr;

use crate::session::{NotAnId, UserId};

/// Who did it.
///
/// ```
/// use dcr_core::record::Actor;
///
/// assert_eq!(Actor::Token.to_string(), "admin_token");
/// assert_eq!("command".parse(), Ok(Actor::Command));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Actor {
    /// The event does not say: it was written by a version that kept no actor.
    #[default]
    Unknown,
    /// This software, by its own rules: a replay, a cap.
    Engine,
    /// The person whom the event is about.
    Person,
    /// The client, with its token or its credentials.
    Client,
    /// The operator, with the `dcr` command.
    Command,
    /// The application that embeds the engine, by its own code.
    Host,
    /// Somebody with the token of the admin API.
    Token,
    /// Somebody who signed in to the admin area.
    Admin(UserId),
}

/// Before the id of a person.
const ADMIN: &str = "admin:";

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::Engine => "engine",
            Self::Person => "person",
            Self::Client => "client",
            Self::Command => "command",
            Self::Host => "host",
            Self::Token => "admin_token",
            Self::Admin(user) => return write!(f, "{ADMIN}{user}"),
        })
    }
}

impl FromStr for Actor {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        Ok(match text {
            "unknown" => Self::Unknown,
            "engine" => Self::Engine,
            "person" => Self::Person,
            "client" => Self::Client,
            "command" => Self::Command,
            "host" => Self::Host,
            "admin_token" => Self::Token,
            other => Self::Admin(other.strip_prefix(ADMIN).ok_or(NotAnId)?.parse()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_reads_back_as_it_was_written() {
        let all = [
            Actor::Unknown,
            Actor::Engine,
            Actor::Person,
            Actor::Client,
            Actor::Command,
            Actor::Host,
            Actor::Token,
            Actor::Admin(UserId::derive("i", "t", "o")),
        ];
        for actor in all {
            assert_eq!(actor.to_string().parse(), Ok(actor));
        }
        for wrong in ["", "Engine", "admin:", "admin:ada", "somebody"] {
            assert!(wrong.parse::<Actor>().is_err(), "{wrong}");
        }
    }
}
