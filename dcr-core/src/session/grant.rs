//! Authorization codes and refresh tokens: short sealed values that name a session and a generation.
//!
//! prefix | base64url( key id (4) | session id (16) | generation (4) | MAC (16) ). The two kinds have keys of their own,
//! so a code never passes for a refresh token (TOK-13), and no session is looked up for a forged one.

use super::{Generation, SessionId};
use crate::seal::{KeyRing, MAC_LEN, Purpose, b64, unb64};

const KEY_ID_LEN: usize = 4;
const SIGNED_LEN: usize = KEY_ID_LEN + 16 + 4;

/// Which of the two it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrantKind {
    Code,
    Refresh,
}

impl GrantKind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Code => "dcrc1_",
            Self::Refresh => "dcrr1_",
        }
    }

    const fn purpose(self) -> Purpose {
        match self {
            Self::Code => Purpose::Code,
            Self::Refresh => Purpose::Refresh,
        }
    }
}

/// A code or refresh token whose MAC is good. It says which session and generation, and nothing of whether they live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GrantToken {
    pub(crate) session: SessionId,
    pub(crate) generation: Generation,
}

impl GrantToken {
    /// The text of this generation of this session. Deterministic: N answers to one refresh carry one successor.
    pub(crate) fn seal(session: SessionId, generation: Generation, ring: &KeyRing) -> String {
        let kind = if generation == Generation::CODE { GrantKind::Code } else { GrantKind::Refresh };
        let keys = ring.sealing();
        let mut value = Vec::with_capacity(SIGNED_LEN + MAC_LEN);
        value.extend_from_slice(&keys.id().0);
        value.extend_from_slice(session.as_bytes());
        value.extend_from_slice(&generation.get().to_be_bytes());
        let mac = keys.mac(kind.purpose(), &[&value]);
        value.extend_from_slice(&mac[..MAC_LEN]);
        format!("{}{}", kind.prefix(), b64(&value))
    }

    /// Opens a text of this kind; `None` for anything else.
    pub(crate) fn open(text: &str, kind: GrantKind, ring: &KeyRing) -> Option<Self> {
        let encoded = text.strip_prefix(kind.prefix()).filter(|t| t.len() <= 64)?;
        let value = unb64(encoded.as_bytes()).filter(|value| value.len() == SIGNED_LEN + MAC_LEN)?;
        let (signed, mac) = value.split_at(SIGNED_LEN);
        let keys = ring.find(&signed[..KEY_ID_LEN])?;
        if !keys.mac_is(kind.purpose(), &[signed], mac) {
            return None;
        }
        let session = SessionId::from_bytes(signed[KEY_ID_LEN..KEY_ID_LEN + 16].try_into().ok()?);
        let generation = u32::from_be_bytes(signed[KEY_ID_LEN + 16..].try_into().ok()?);
        // Generation 0 is a code and nothing else is.
        ((generation == 0) == (kind == GrantKind::Code))
            .then_some(Self { session, generation: Generation::new(generation) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::Secret;

    /// Part of the format: scanners of secrets and of logs go by it.
    #[test]
    fn the_kind_can_be_read_off() {
        let ring = KeyRing::new(&[Secret::from_bytes([1; 32])], &[]).unwrap();
        let of = |generation| GrantToken::seal(SessionId::from_bytes([2; 16]), Generation::new(generation), &ring);
        assert!(of(0).starts_with("dcrc1_") && of(1).starts_with("dcrr1_"));
    }

    fn ring(active: &[u8], retired: &[u8]) -> KeyRing {
        let all = |list: &[u8]| list.iter().map(|b| Secret::from_bytes([*b; 32])).collect::<Vec<_>>();
        KeyRing::new(&all(active), &all(retired)).unwrap()
    }

    #[test]
    fn tok_13_a_code_and_a_refresh_token_never_pass_for_each_other() {
        let ring = ring(&[1], &[]);
        let id = SessionId::from_bytes([7; 16]);
        let code = GrantToken::seal(id, Generation::CODE, &ring);
        let refresh = GrantToken::seal(id, Generation::new(1), &ring);
        assert!(GrantToken::open(&code, GrantKind::Code, &ring).is_some());
        assert!(GrantToken::open(&refresh, GrantKind::Refresh, &ring).is_some());
        assert_eq!(GrantToken::open(&code, GrantKind::Refresh, &ring), None);
        assert_eq!(GrantToken::open(&refresh, GrantKind::Code, &ring), None);
        let swapped = refresh.replace("dcrr1_", "dcrc1_");
        assert_eq!(GrantToken::open(&swapped, GrantKind::Code, &ring), None);
    }

    #[test]
    fn tok_12_any_changed_character_is_refused() {
        let ring = ring(&[1], &[]);
        let text = GrantToken::seal(SessionId::from_bytes([7; 16]), Generation::new(3), &ring);
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(GrantToken::open(&changed, GrantKind::Refresh, &ring), None, "at {at}");
        }
        assert_eq!(GrantToken::open(&format!("{text}="), GrantKind::Refresh, &ring), None);
    }

    #[test]
    fn tokens_of_a_retired_secret_are_dead_and_of_an_older_active_one_alive() {
        let text = GrantToken::seal(SessionId::from_bytes([7; 16]), Generation::new(3), &ring(&[1], &[]));
        assert!(GrantToken::open(&text, GrantKind::Refresh, &ring(&[2, 1], &[])).is_some());
        assert!(GrantToken::open(&text, GrantKind::Refresh, &ring(&[2], &[1])).is_none());
    }
}
