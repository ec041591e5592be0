//! Which path and method is what. A test keeps this table and `openapi.json` alike.

use ::http::Method;

use super::problem::Problem;

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    Description,
    Users,
    User,
    ConnectionsOfUser,
    Timeline,
    RequestsOfUser,
    Connection,
    SessionsOfConnection,
    Session,
    RequestsOfSession,
    ClientIds,
    Platforms,
    Blocks,
    Events,
    EventLines,
    Reference,
    Funnel,
}

/// What is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    User(Verb),
    Erase,
    Connection(Verb),
    RevokeSession,
    ClientId(Verb),
    Pin,
    Unpin,
    Platform(Verb),
}

/// What is done to whatever can be blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Revoke,
    Block,
    Unblock,
}

/// A request that is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// With GET.
    Read(Read),
    /// With POST.
    Change(Change),
}

impl Operation {
    const fn method(self) -> Method {
        match self {
            Self::Read(_) => Method::GET,
            Self::Change(_) => Method::POST,
        }
    }
}

/// Every path below the API's own; a part in braces is an id.
const ROUTES: &[(&str, Operation)] = &[
    ("openapi.json", Operation::Read(Read::Description)),
    ("users", Operation::Read(Read::Users)),
    ("users/{user_id}", Operation::Read(Read::User)),
    ("users/{user_id}/connections", Operation::Read(Read::ConnectionsOfUser)),
    ("users/{user_id}/timeline", Operation::Read(Read::Timeline)),
    ("users/{user_id}/requests", Operation::Read(Read::RequestsOfUser)),
    ("users/{user_id}/revoke", Operation::Change(Change::User(Verb::Revoke))),
    ("users/{user_id}/block", Operation::Change(Change::User(Verb::Block))),
    ("users/{user_id}/unblock", Operation::Change(Change::User(Verb::Unblock))),
    ("users/{user_id}/erase", Operation::Change(Change::Erase)),
    ("connections/{connection_id}", Operation::Read(Read::Connection)),
    ("connections/{connection_id}/sessions", Operation::Read(Read::SessionsOfConnection)),
    ("connections/{connection_id}/revoke", Operation::Change(Change::Connection(Verb::Revoke))),
    ("connections/{connection_id}/block", Operation::Change(Change::Connection(Verb::Block))),
    ("connections/{connection_id}/unblock", Operation::Change(Change::Connection(Verb::Unblock))),
    ("sessions/{session_id}", Operation::Read(Read::Session)),
    ("sessions/{session_id}/requests", Operation::Read(Read::RequestsOfSession)),
    ("sessions/{session_id}/revoke", Operation::Change(Change::RevokeSession)),
    ("client-ids", Operation::Read(Read::ClientIds)),
    ("client-ids/revoke", Operation::Change(Change::ClientId(Verb::Revoke))),
    ("client-ids/block", Operation::Change(Change::ClientId(Verb::Block))),
    ("client-ids/unblock", Operation::Change(Change::ClientId(Verb::Unblock))),
    ("client-ids/pin", Operation::Change(Change::Pin)),
    ("client-ids/unpin", Operation::Change(Change::Unpin)),
    ("platforms", Operation::Read(Read::Platforms)),
    ("platforms/revoke", Operation::Change(Change::Platform(Verb::Revoke))),
    ("platforms/block", Operation::Change(Change::Platform(Verb::Block))),
    ("platforms/unblock", Operation::Change(Change::Platform(Verb::Unblock))),
    ("blocks", Operation::Read(Read::Blocks)),
    ("events", Operation::Read(Read::Events)),
    ("events.jsonl", Operation::Read(Read::EventLines)),
    ("references/{reference}", Operation::Read(Read::Reference)),
    ("funnel", Operation::Read(Read::Funnel)),
];

/// A request that was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) operation: Operation,
    /// The id in the path; empty without one.
    pub(super) named: String,
}

/// What a method and a path ask for. Paths are compared as bytes: what is percent-encoded without need is not found.
pub(super) fn find(method: &Method, path: &str) -> Result<Found, Problem> {
    let found = ROUTES.iter().find_map(|(pattern, operation)| Some((operation, fits(pattern, path)?)));
    let (operation, named) = found.ok_or_else(Problem::not_found)?;
    if *method != operation.method() {
        return Err(Problem::method_not_allowed(operation.method().to_string()));
    }
    Ok(Found { operation: *operation, named })
}

/// The id of a path that fits.
fn fits(pattern: &str, path: &str) -> Option<String> {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    let mut named = String::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(named),
            (Some(part), Some(id)) if part.starts_with('{') && !id.is_empty() => named = id.to_owned(),
            (Some(part), Some(same)) if part == same => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn paths_are_found_byte_for_byte() {
        let found = find(&Method::GET, "users/usr_x/timeline").unwrap();
        assert_eq!(found, Found { operation: Operation::Read(Read::Timeline), named: "usr_x".to_owned() });
        for missing in ["", "users/", "users//timeline", "Users", "users/x/y", "users/x/timeline/", "%75sers", "/users"]
        {
            assert!(find(&Method::GET, missing).is_err(), "{missing}");
        }
        for (method, path) in [(Method::POST, "users"), (Method::GET, "users/x/block"), (Method::HEAD, "users")] {
            assert!(find(&method, path).is_err(), "{method} {path}");
        }
    }

    #[test]
    fn every_route_is_described_and_nothing_else_is() {
        let description: Value = serde_json::from_str(super::super::read::DESCRIPTION).unwrap();
        let mut described = BTreeSet::new();
        for (path, item) in description["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters") {
                assert!(operation["operationId"].is_string(), "{method} {path}");
                described.insert((path.clone(), method.to_uppercase()));
            }
        }
        let routes: BTreeSet<_> =
            ROUTES.iter().map(|(path, operation)| (format!("/{path}"), operation.method().to_string())).collect();
        assert_eq!(routes, described);
        assert_eq!(routes.len(), ROUTES.len());
    }
}
