//! Client assertions (RFC 7523 section 3, TK-6, RS-3, RS-4): of assertions whose every piece is right or wrong in a known way,
//! those prove something in which everything is right, and no others.

#![no_main]

use arbitrary::Arbitrary;
use aws_lc_rs::hmac;
use aws_lc_rs::signature::Ed25519KeyPair;
use dcr_core::Timestamp;
use dcr_core::fuzzing::assertion;
use dcr_core::testing::AssertionKey;
use dcr_fuzz::bounds;
use dcr_fuzz::tokens::{Audience, Tampering, Text, Time, b64, object};
use libfuzzer_sys::fuzz_target;

const NOW: i64 = 1_790_000_000;
const CLIENT: &str = "https://app.example/client.json";
const ISSUER: &str = "https://mcp.example";
const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

#[derive(Debug, Arbitrary)]
struct Input {
    kind: Text,
    alg: Text,
    kid: Text,
    /// jwk, jku, crit, b64: bits
    more_header: u8,
    iss: Text,
    sub: Text,
    aud: Audience,
    exp: Time,
    iat: Time,
    nbf: Time,
    jti: Text,
    more: Vec<(String, String)>,
    key: Key,
    tampering: Tampering,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Arbitrary)]
enum Key {
    Right,
    Another,
    Hmac,
}

impl Input {
    fn header(&self) -> String {
        let more = [
            "\"jwk\":{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w\"}",
            "\"jku\":\"https://evil.example/keys\"",
            "\"crit\":[\"b64\"]",
            "\"b64\":false",
        ];
        let more = more
            .into_iter()
            .enumerate()
            .map(|(bit, member)| (self.more_header >> bit & 1 == 1).then(|| member.to_owned()));
        object([self.alg.json("alg", "EdDSA"), self.kid.json("kid", "key-1")].into_iter().chain(more), &[])
    }

    fn claims(&self) -> String {
        let members = [
            self.iss.json("iss", CLIENT),
            self.sub.json("sub", CLIENT),
            self.aud.json("aud", ISSUER),
            self.exp.json("exp", NOW, NOW + 60),
            self.iat.json("iat", NOW, NOW),
            self.nbf.json("nbf", NOW, NOW),
            self.jti.json("jti", "one"),
        ];
        object(members, &self.more)
    }

    fn token(&self) -> String {
        let content = format!("{}.{}", b64(self.header()), b64(self.claims()));
        let ed25519 = |seed: u8| {
            let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("a seed");
            pair.sign(content.as_bytes()).as_ref().to_vec()
        };
        let signature = match self.key {
            Key::Right => ed25519(1),
            Key::Another => ed25519(2),
            Key::Hmac => hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"x"), content.as_bytes()).as_ref().to_vec(),
        };
        self.tampering.apply(format!("{content}.{}", b64(signature)))
    }

    fn is_right(&self) -> bool {
        let begins =
            |time: &Time, right: i64| time.is_absent() || time.value(NOW, right).is_some_and(|at| at <= NOW + 60);
        self.kind.is_right(KIND)
            && self.alg.is_right("EdDSA")
            && (self.kid.is_right("key-1") || matches!(self.kid, Text::Absent | Text::Null))
            && self.more_header >> 2 & 1 == 0
            && self.key == Key::Right
            && self.tampering.is_nothing()
            // Whose keys they are is asked by `sub`, so that any client may be meant: the same by both.
            && self.sub.value(CLIENT).is_some_and(|sub| dcr_core::ClientId::new(sub).is_ok())
            && self.iss.value(CLIENT) == self.sub.value(CLIENT)
            && self.aud.values(ISSUER).is_some_and(|all| all == [ISSUER])
            && self.exp.value(NOW, NOW + 60).is_some_and(|exp| exp > NOW - 60 && exp <= NOW + 3_660)
            && begins(&self.iat, NOW)
            && begins(&self.nbf, NOW)
            && self.jti.value("one").is_some_and(|jti| !jti.is_empty() && jti.len() <= 512)
    }
}

fuzz_target!(|input: Input| {
    let token = input.token();
    let keys = AssertionKey::seeded(1).jwks();
    let kind = input.kind.value(KIND).unwrap_or_default();
    let now = Timestamp::from_unix_seconds(NOW);
    let proven = bounds::within(token.len() * 32 + 64 * 1024, || assertion(&keys, &kind, &token, ISSUER, now));
    match proven {
        Some(client) => {
            assert!(input.is_right(), "accepted: {} {}", input.header(), input.claims());
            assert_eq!(Some(client), input.sub.value(CLIENT));
        }
        // Members that no assertion of a client has may be refused.
        None => assert!(
            !input.is_right() || input.more_header != 0 || token.len() > 8 * 1024,
            "refused: {}",
            input.claims()
        ),
    }
});
