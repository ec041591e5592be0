//! MCP session ids, bound to the principal (RS-9). The id that leaves carries a MAC over itself, the user and the client;
//! what comes back without a good one is an unknown session. Nothing is stored, so any replica can check, and a refresh
//! does not end the session: it is bound to user and client, not to a token.

use crate::client::ClientId;
use crate::seal::{KeyRing, MAC_LEN, Purpose, b64, unb64};
use crate::session::UserId;

/// The longest id that is looked at.
const MAX_ID: usize = 512;

/// Whose session it is.
#[derive(Clone, Copy)]
pub(crate) struct Owner<'a> {
    pub(crate) user: &'a UserId,
    pub(crate) client_id: &'a ClientId,
    pub(crate) resource: &'a str,
}

/// `id` as its owner sees it.
pub(crate) fn bind(ring: &KeyRing, id: &str, owner: Owner<'_>) -> String {
    let mac = ring.sealing().mac(Purpose::McpSession, &parts(id, owner));
    format!("{id}.{}", b64(&mac[..MAC_LEN]))
}

/// The server's own id, if `bound` was made for this owner.
pub(crate) fn unbind<'a>(ring: &KeyRing, bound: &'a str, owner: Owner<'_>) -> Option<&'a str> {
    let (id, mac) = bound.rsplit_once('.').filter(|_| bound.len() <= MAX_ID)?;
    let mac = unb64(mac.as_bytes()).filter(|mac| mac.len() == MAC_LEN)?;
    ring.active().iter().any(|keys| keys.mac_is(Purpose::McpSession, &parts(id, owner), &mac)).then_some(id)
}

fn parts<'a>(id: &'a str, owner: Owner<'a>) -> [&'a [u8]; 4] {
    [id.as_bytes(), owner.user.as_str().as_bytes(), owner.client_id.as_str().as_bytes(), owner.resource.as_bytes()]
}
