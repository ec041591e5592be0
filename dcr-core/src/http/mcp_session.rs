//! MCP session ids, bound to the principal (RS-9). The id that leaves carries a MAC over itself, the user and the client;
//! what comes back without a good one is an unknown session. Nothing is stored, so any replica can check, and a refresh
//! does not end the session: it is bound to user and client, not to a token.

use crate::engine::Inner;
use crate::seal::{MAC_LEN, Purpose, b64, unb64};
use crate::session::Principal;

/// The longest id that is looked at.
const MAX_ID: usize = 512;

impl Inner {
    /// `id` as this principal sees it.
    pub(crate) fn bind_mcp_session(&self, id: &str, principal: &Principal) -> String {
        let mac = self.ring.sealing().mac(Purpose::McpSession, &parts(id, principal));
        format!("{id}.{}", b64(&mac[..MAC_LEN]))
    }

    /// The server's own id, if `bound` was made for this principal.
    pub(crate) fn unbind_mcp_session<'a>(&self, bound: &'a str, principal: &Principal) -> Option<&'a str> {
        let (id, mac) = bound.rsplit_once('.').filter(|_| bound.len() <= MAX_ID)?;
        let mac = unb64(mac.as_bytes()).filter(|mac| mac.len() == MAC_LEN)?;
        self.ring
            .active()
            .iter()
            .any(|keys| keys.mac_is(Purpose::McpSession, &parts(id, principal), &mac))
            .then_some(id)
    }
}

fn parts<'a>(id: &'a str, principal: &'a Principal) -> [&'a [u8]; 4] {
    [
        id.as_bytes(),
        principal.user_id().as_str().as_bytes(),
        principal.client_id().as_str().as_bytes(),
        principal.resource().as_bytes(),
    ]
}
