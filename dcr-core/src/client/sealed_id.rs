//! Sealed client ids: the registration itself, packed tightly, with a MAC. Registration writes nothing; an id survives
//! restarts, resets and replicas for as long as its key does.
//!
//! `dcr1_` base64url( key id (4) | body | MAC (16) ). The body is the registration in postcard, redirect URIs packed
//! with a fixed dictionary that is part of the format's version.

use serde::{Deserialize, Serialize};

use super::{AuthMethod, CanonicalRedirect, ClientId};
use crate::random::{RandomUnavailable, SecureRandom, bytes};
use crate::seal::{KeyRing, KeySet, MAC_LEN, Purpose, b64, unb64};

/// The prefix of every sealed id. Another than the old system's `dcr_`.
const PREFIX: &str = "dcr1_";
const SECRET_PREFIX: &str = "dcrs1_";
const REGISTRATION_TOKEN_PREFIX: &str = "dcrm1_";
const KEY_ID_LEN: usize = 4;

/// What is sealed: all that this server remembers of a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SealedClient {
    /// Cleaned and bounded.
    pub(crate) name: Option<String>,
    /// Sorted, loopback ports removed, no two alike.
    pub(crate) redirects: Vec<CanonicalRedirect>,
    pub(crate) auth_method: AuthMethod,
    /// Whether the client asked for the `refresh_token` grant.
    pub(crate) refresh: bool,
}

/// What a text that may be a sealed id turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SealedId {
    /// Not ours by its form, or its key is gone: like any other id.
    Foreign,
    /// It has our form and names a key of ours, but the MAC or the body is wrong. Never falls through (AD-3).
    Broken,
    /// Ours.
    Genuine(SealedClient),
}

const FLAG_REFRESH: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Body<'a> {
    /// Bit 0: refresh grant.
    flags: u8,
    auth_method: u8,
    /// Makes the id of a confidential registration unique; it has a secret of its own.
    #[serde(borrow)]
    unique: Option<&'a [u8]>,
    #[serde(borrow)]
    name: Option<&'a str>,
    redirects: Vec<Vec<u8>>,
}

impl SealedClient {
    /// Seals this registration under the ring's first secret. Public registrations that are alike get the same id.
    pub(crate) fn seal(&self, ring: &KeyRing, random: &dyn SecureRandom) -> Result<String, RandomUnavailable> {
        let keys = ring.sealing();
        let unique: Option<[u8; 12]> = if self.auth_method.is_confidential() { Some(bytes(random)?) } else { None };
        let body = Body {
            flags: if self.refresh { FLAG_REFRESH } else { 0 },
            auth_method: match self.auth_method {
                // Registration refuses keys.
                AuthMethod::None | AuthMethod::PrivateKeyJwt => 0,
                AuthMethod::ClientSecretPost => 1,
                AuthMethod::ClientSecretBasic => 2,
            },
            unique: unique.as_ref().map(<[u8; 12]>::as_slice),
            name: self.name.as_deref(),
            redirects: pack(&self.redirects),
        };
        let mut sealed = keys.id().0.to_vec();
        sealed.extend(postcard::to_allocvec(&body).map_err(|_| RandomUnavailable)?);
        let mac = keys.mac(Purpose::ClientId, &[PREFIX.as_bytes(), &sealed]);
        sealed.extend_from_slice(&mac[..MAC_LEN]);
        Ok(format!("{PREFIX}{}", b64(&sealed)))
    }
}

impl SealedId {
    /// Whether `id` has the form of a sealed id, whoever made it.
    pub(crate) fn has_form(id: &ClientId) -> bool {
        id.as_str().starts_with(PREFIX)
    }

    /// Opens `id`.
    pub(crate) fn open(id: &ClientId, ring: &KeyRing) -> Self {
        let Some(text) = id.as_str().strip_prefix(PREFIX) else { return Self::Foreign };
        let Some(sealed) = unb64(text.as_bytes()) else { return Self::Broken };
        let Some(signed_len) = sealed.len().checked_sub(MAC_LEN).filter(|len| *len > KEY_ID_LEN) else {
            return Self::Broken;
        };
        let (signed, mac) = sealed.split_at(signed_len);
        let Some(keys) = ring.find_for_client_id(&signed[..KEY_ID_LEN]) else { return Self::Foreign };
        if !keys.mac_is(Purpose::ClientId, &[PREFIX.as_bytes(), signed], mac) {
            return Self::Broken;
        }
        decode(&signed[KEY_ID_LEN..]).map_or(Self::Broken, Self::Genuine)
    }
}

fn decode(body: &[u8]) -> Option<SealedClient> {
    let body: Body<'_> = postcard::from_bytes(body).ok()?;
    Some(SealedClient {
        name: body.name.map(str::to_owned),
        redirects: unpack(&body.redirects)?,
        auth_method: match body.auth_method {
            0 => AuthMethod::None,
            1 => AuthMethod::ClientSecretPost,
            2 => AuthMethod::ClientSecretBasic,
            _ => return None,
        },
        refresh: body.flags & FLAG_REFRESH != 0,
    })
}

/// Each redirect as the length of what it shares with the one before it, and the rest in dictionary form.
fn pack(redirects: &[CanonicalRedirect]) -> Vec<Vec<u8>> {
    let mut before = "";
    redirects
        .iter()
        .map(|redirect| {
            let text = redirect.as_str();
            let shared = text.bytes().zip(before.bytes()).take(255).take_while(|(a, b)| a == b).count();
            before = text;
            let mut packed = vec![u8::try_from(shared).unwrap_or(u8::MAX)];
            packed.extend(dictionary::pack(text.get(shared..).unwrap_or("")));
            packed
        })
        .collect()
}

fn unpack(packed: &[Vec<u8>]) -> Option<Vec<CanonicalRedirect>> {
    let mut redirects: Vec<CanonicalRedirect> = Vec::with_capacity(packed.len());
    for one in packed {
        let (shared, rest) = one.split_first()?;
        let before = redirects.last().map_or("", CanonicalRedirect::as_str);
        let text = format!("{}{}", before.get(..usize::from(*shared))?, dictionary::unpack(rest)?);
        // It passed the gate before it was sealed; `resolve` checks custom schemes against today's list.
        redirects.push(CanonicalRedirect::parse(&text, std::slice::from_ref(&text)).ok()?);
    }
    Some(redirects)
}

/// The secret of a confidential sealed client, derived from its id: nothing has to be stored.
pub(crate) fn derive_client_secret(id: &ClientId, ring: &KeyRing) -> Option<String> {
    let key_id = unb64(id.as_str().strip_prefix(PREFIX)?.as_bytes())?;
    let keys: &KeySet = ring.find_for_client_id(key_id.get(..KEY_ID_LEN)?)?;
    Some(format!("{SECRET_PREFIX}{}", b64(&keys.mac(Purpose::ClientSecret, &[id.as_str().as_bytes()]))))
}

/// The token by which a confidential sealed client manages its registration (RFC 7592), derived from its id and how often
/// the registration was changed: each change makes another.
pub(crate) fn derive_registration_token(id: &ClientId, version: u32, ring: &KeyRing) -> Option<String> {
    let key_id = unb64(id.as_str().strip_prefix(PREFIX)?.as_bytes())?;
    let keys: &KeySet = ring.find_for_client_id(key_id.get(..KEY_ID_LEN)?)?;
    let mac = keys.mac(Purpose::RegistrationToken, &[id.as_str().as_bytes(), &version.to_be_bytes()]);
    Some(format!("{REGISTRATION_TOKEN_PREFIX}{}", b64(&mac)))
}

/// Packs redirect URIs: they are printable ASCII, so bytes from 0x80 up stand for common pieces. Part of the `dcr1_`
/// format: entries are never changed or removed, only added at the end.
mod dictionary {
    const PIECES: [&str; 24] = [
        "https://",
        "http://localhost",
        "http://127.0.0.1",
        "http://[::1]",
        "/oauth/callback",
        "/oauth2/callback",
        "/callback",
        "/api/mcp/auth_callback",
        "/auth/callback",
        "/redirect",
        "/oauth",
        "/auth",
        "/mcp",
        "/api",
        "/connector",
        ".com",
        ".dev",
        ".app",
        ".example",
        "www.",
        "claude.",
        "chatgpt",
        "cursor",
        "insiders.",
    ];

    pub(super) fn pack(text: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.as_bytes().first() {
            let longest = PIECES
                .iter()
                .enumerate()
                .filter(|(_, piece)| rest.starts_with(**piece))
                .max_by_key(|(_, piece)| piece.len());
            // The gate lets only ASCII through, so slicing by bytes is slicing by characters.
            let (byte, len) =
                longest.map_or((*first, 1), |(i, piece)| (0x80 | u8::try_from(i).unwrap_or(0), piece.len()));
            out.push(byte);
            rest = rest.get(len..).unwrap_or("");
        }
        out
    }

    pub(super) fn unpack(packed: &[u8]) -> Option<String> {
        let mut out = String::with_capacity(packed.len() * 2);
        for byte in packed {
            match byte {
                0x21..=0x7e => out.push(char::from(*byte)),
                0x80.. => out.push_str(PIECES.get(usize::from(byte & 0x7f))?),
                _ => return None,
            }
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;
    use crate::seal::Secret;

    fn ring(active: &[u8], retired: &[u8]) -> KeyRing {
        let secret = |b: &u8| Secret::from_bytes([*b; 32]);
        let all = |list: &[u8]| list.iter().map(secret).collect::<Vec<_>>();
        KeyRing::new(&all(active), &all(retired)).unwrap()
    }

    fn client(redirects: &[&str], auth_method: AuthMethod) -> SealedClient {
        let custom: Vec<String> = redirects.iter().map(|r| (*r).to_owned()).collect();
        SealedClient {
            name: Some("Cursor".to_owned()),
            redirects: redirects.iter().map(|r| CanonicalRedirect::parse(r, &custom).unwrap()).collect(),
            auth_method,
            refresh: true,
        }
    }

    fn seal(client: &SealedClient, ring: &KeyRing) -> ClientId {
        ClientId::new(client.seal(ring, &SystemRandom).unwrap()).unwrap()
    }

    const CURSOR: [&str; 3] = [
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "http://localhost/callback",
        "https://www.cursor.com/agents/mcp/oauth/callback",
    ];

    #[test]
    fn what_was_sealed_opens_and_is_short() {
        let ring = ring(&[1], &[]);
        let sealed = client(&CURSOR, AuthMethod::None);
        let id = seal(&sealed, &ring);
        assert!(id.as_str().len() < 160, "{} bytes", id.as_str().len());
        assert_eq!(SealedId::open(&id, &ring), SealedId::Genuine(sealed));
        let corporate = client(
            &[
                "https://assistant.internal.contoso-engineering.example/integrations/mcp/oauth/callback",
                "https://assistant.staging.contoso-engineering.example/integrations/mcp/oauth/callback",
                "https://assistant.internal.contoso-engineering.example/integrations/mcp/oauth/callback/debug",
                "http://127.0.0.1/oauth/callback",
            ],
            AuthMethod::ClientSecretPost,
        );
        let id = seal(&corporate, &ring);
        assert!(id.as_str().len() < 300, "{} bytes", id.as_str().len());
        assert_eq!(SealedId::open(&id, &ring), SealedId::Genuine(corporate));
    }

    #[test]
    fn public_ids_are_alike_and_confidential_ones_are_unique() {
        let ring = ring(&[1], &[]);
        assert_eq!(seal(&client(&CURSOR, AuthMethod::None), &ring), seal(&client(&CURSOR, AuthMethod::None), &ring));
        let post = client(&CURSOR, AuthMethod::ClientSecretPost);
        let (a, b) = (seal(&post, &ring), seal(&post, &ring));
        assert_ne!(a, b);
        assert_ne!(derive_client_secret(&a, &ring), derive_client_secret(&b, &ring));
        assert_eq!(derive_client_secret(&a, &ring), derive_client_secret(&a, &ring));
    }

    #[test]
    fn adopt_05_any_changed_character_breaks_it() {
        let ring = ring(&[1], &[]);
        let id = seal(&client(&CURSOR, AuthMethod::None), &ring);
        // The four key id bytes are the first 5.3 characters; a change there makes it another key's.
        for at in PREFIX.len() + 6..id.as_str().len() {
            let mut text = id.as_str().as_bytes().to_vec();
            text[at] = if text[at] == b'A' { b'B' } else { b'A' };
            let changed = ClientId::new(String::from_utf8(text).unwrap()).unwrap();
            assert_eq!(SealedId::open(&changed, &ring), SealedId::Broken, "at {at}");
        }
        for text in [format!("{id}A"), format!("{PREFIX}!!"), PREFIX.to_owned(), format!("{PREFIX}AAAA")] {
            assert_eq!(SealedId::open(&ClientId::new(text).unwrap(), &ring), SealedId::Broken);
        }
    }

    #[test]
    fn a_retired_key_still_opens_and_a_lost_one_makes_it_foreign() {
        let id = seal(&client(&CURSOR, AuthMethod::ClientSecretBasic), &ring(&[1], &[]));
        let retired = ring(&[2], &[1]);
        assert!(matches!(SealedId::open(&id, &retired), SealedId::Genuine(_)));
        assert_eq!(derive_client_secret(&id, &retired), derive_client_secret(&id, &ring(&[1], &[])));
        assert_eq!(SealedId::open(&id, &ring(&[2], &[])), SealedId::Foreign);
    }
}
