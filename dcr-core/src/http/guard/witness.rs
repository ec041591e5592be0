//! What the guard sees of a request, for the history of requests.

use std::net::IpAddr;

use ::http::StatusCode;
use ::http::request::Parts;

use crate::clock::Timestamp;
use crate::engine::Inner;
use crate::record::RequestRecord;
use crate::session::{Principal, RequestId};
use crate::text::bounded;

/// The longest name of a tool that is kept, in characters.
const LONGEST_TOOL: usize = 128;
const LONGEST_METHOD: usize = 16;

/// A request that is on its way. Only this crate makes one.
#[derive(Debug)]
pub struct Witness {
    at: Timestamp,
    method: String,
    address: Option<IpAddr>,
    pub(super) tools: Vec<String>,
}

impl Inner {
    /// Begins the record of a request that passed, if a history is kept.
    pub(super) fn witness(&self, parts: &Parts) -> Option<Witness> {
        self.history.keep()?;
        let (at, method) = (self.clock.now(), bounded(parts.method.as_str(), LONGEST_METHOD));
        Some(Witness { at, method, address: self.proxies.caller(parts).address, tools: Vec::new() })
    }

    /// It was answered. Machines have no session, and no history.
    pub(super) fn note_request(&self, witness: Witness, principal: &Principal, status: StatusCode) {
        let Some(session) = principal.session() else { return };
        let Witness { at, method, address, tools } = witness;
        let id = match RequestId::mint(at, self.random.as_ref()) {
            Ok(id) => id,
            Err(error) => return tracing::error!(target: "dcr", %error, "a request is not in the history"),
        };
        let tool = (!tools.is_empty()).then(|| bounded(&tools.join(", "), LONGEST_TOOL));
        let (user, status) = (principal.user_id().clone(), status.as_u16());
        self.history.add([RequestRecord { id, user, session, at, method, tool, status, address }]);
    }
}
