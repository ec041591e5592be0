//! ID tokens (UPS-03, UP-6, RS-3, RS-4; OpenID Connect Core 1.0 section 3.1.3.7): of tokens whose every piece is right or wrong
//! in a known way, those are accepted in which everything is right, and no others; and who is signed in is who they say.

#![no_main]

use std::cell::OnceCell;
use std::sync::{Arc, LazyLock};

use arbitrary::Arbitrary;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use aws_lc_rs::{digest, hmac};
use dcr_core::testing::ManualClock;
use dcr_core::upstream::{EntraConfig, Identity, IdentityProvider as _, LoginAnswer, OidcConfig, OidcProvider};
use dcr_fuzz::tokens::{Audience, Tampering, Text, Time, b64, object};
use dcr_fuzz::web::Web;
use dcr_fuzz::{bounds, now};
use libfuzzer_sys::fuzz_target;

const NOW: i64 = 1_790_000_000;
const CLIENT: &str = "our-application";
const ISSUER: &str = "https://idp.example";
const SUBJECT: &str = "248289761001";
const NONCE: &str = "n-0S6_WzA2Mj";
const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
const ENTRA_ISSUER: &str = "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0";
const OBJECT_ID: &str = "00000000-0000-0000-66f3-3332eca7ea81";
const KID: &str = "key-1";

#[derive(Debug, Arbitrary)]
struct Input {
    entra: bool,
    header: Header,
    claims: Claims,
    signature: Signature,
    tampering: Tampering,
}

#[derive(Debug, Arbitrary)]
struct Header {
    alg: Algorithm,
    kid: Text,
    typ: Option<String>,
    /// jwk, jku, x5u, x5c, crit, b64: bits
    more: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Arbitrary)]
enum Algorithm {
    Es256,
    None,
    Hs256,
    Rs256,
    Es384,
    EdDsa,
    Lower,
    Absent,
    Null,
}

#[derive(Debug, Arbitrary)]
struct Claims {
    iss: Text,
    sub: Text,
    aud: Audience,
    azp: Text,
    exp: Time,
    iat: Time,
    nbf: Time,
    nonce: Text,
    tid: Text,
    oid: Text,
    ver: Text,
    more: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Arbitrary)]
enum Signature {
    Right,
    AnotherKey,
    /// Keyed with our public key, or with our secret (RS-3).
    HmacOfKey,
    HmacOfSecret,
}

/// Two key pairs, the same in every run.
static KEYS: LazyLock<[EcdsaKeyPair; 2]> = LazyLock::new(|| {
    // The private numbers 1 and 2: their public points are the base point of P-256 and its double.
    let points = [
        "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
        "7cf27b188d034f7e8a52380304b51ac3c08969e277f21b35a60b48fc4766997807775510db8ed040293d9ac69f7430dbba7dade63ce982299e04b79d227873d1",
    ];
    [1, 2].map(|number: u8| {
        let mut private = [0; 32];
        private[31] = number;
        let hex = points[usize::from(number) - 1];
        let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hexadecimal");
        let public: Vec<u8> = std::iter::once(4).chain((0..64).map(byte)).collect();
        EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, &private, &public)
            .expect("a pair")
    })
});

struct Providers {
    web: Arc<Web>,
    oidc: OidcProvider,
    entra: OidcProvider,
}

impl Providers {
    fn new() -> Self {
        let (web, clock) = (Web::new(), ManualClock::at(NOW));
        let public = KEYS[0].public_key().as_ref();
        let key = serde_json::json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": KID,
            "x": b64(&public[1..33]), "y": b64(&public[33..]),
        });
        for (base, issuer) in [
            (ISSUER, ISSUER),
            (
                "https://login.microsoftonline.com/organizations/v2.0",
                "https://login.microsoftonline.com/{tenantid}/v2.0",
            ),
        ] {
            let document = serde_json::json!({
                "issuer": issuer, "authorization_endpoint": format!("{base}/authorize"),
                "token_endpoint": format!("{base}/token"), "jwks_uri": format!("{base}/keys"),
            });
            web.put(format!("{base}/.well-known/openid-configuration"), 200, document.to_string());
            web.put(format!("{base}/keys"), 200, serde_json::json!({ "keys": [key] }).to_string());
        }
        let oidc = OidcConfig::new(ISSUER, CLIENT).secret("our secret");
        let entra = EntraConfig::new("organizations", CLIENT, "our secret").allowed_tenants([TENANT.to_owned()]);
        Self {
            oidc: OidcProvider::new(oidc, web.clone(), clock.clone()).expect("a provider"),
            entra: OidcProvider::entra(entra, web.clone(), clock).expect("a provider"),
            web,
        }
    }

    fn identify(&self, entra: bool, token: &str) -> Option<Identity> {
        let base = if entra { "https://login.microsoftonline.com/organizations/v2.0" } else { ISSUER };
        let answer = serde_json::json!({ "access_token": "a", "token_type": "Bearer", "id_token": token });
        self.web.put(format!("{base}/token"), 200, answer.to_string());
        let answer = LoginAnswer {
            code: "c",
            issuer: None,
            callback: "https://mcp.example/oauth/callback",
            nonce: NONCE,
            verifier: "v",
        };
        let identified = now(if entra { self.entra.identify(answer) } else { self.oidc.identify(answer) });
        identified.ok().map(|identified| identified.identity)
    }
}

impl Header {
    fn json(&self) -> String {
        let quoted = |text: &str| Some(format!("\"alg\":\"{text}\""));
        let alg = match self.alg {
            Algorithm::Es256 => quoted("ES256"),
            Algorithm::None => quoted("none"),
            Algorithm::Hs256 => quoted("HS256"),
            Algorithm::Rs256 => quoted("RS256"),
            Algorithm::Es384 => quoted("ES384"),
            Algorithm::EdDsa => quoted("EdDSA"),
            Algorithm::Lower => quoted("es256"),
            Algorithm::Absent => None,
            Algorithm::Null => Some("\"alg\":null".to_owned()),
        };
        let typ = self.typ.as_ref().map(|typ| format!("\"typ\":{}", serde_json::Value::from(typ.as_str())));
        let public = KEYS[1].public_key().as_ref();
        let jwk = serde_json::json!({ "kty": "EC", "crv": "P-256", "x": b64(&public[1..33]), "y": b64(&public[33..]) });
        let more = [
            format!("\"jwk\":{jwk}"),
            "\"jku\":\"https://evil.example/keys\"".to_owned(),
            "\"x5u\":\"https://evil.example/cert\"".to_owned(),
            "\"crit\":[\"exp\"]".to_owned(),
            "\"b64\":false".to_owned(),
        ];
        let more = more.into_iter().enumerate().map(|(bit, member)| (self.more >> bit & 1 == 1).then_some(member));
        object([alg, self.kid.json("kid", KID), typ].into_iter().chain(more), &[])
    }

    /// Right, or wrong in nothing that matters: the key id may be left out, since there is one key.
    fn is_right(&self) -> bool {
        let named = self.kid.is_right(KID) || matches!(self.kid, Text::Absent | Text::Null);
        self.alg == Algorithm::Es256 && named && !self.is_critical()
    }

    /// RFC 7515 section 4.1.11: extensions that nobody here knows, and that must be.
    const fn is_critical(&self) -> bool {
        self.more >> 3 & 1 == 1
    }

    /// Members that may be refused: none of ours has them, and whether they matter is the library's business.
    const fn is_plain(&self) -> bool {
        self.more == 0
    }
}

impl Claims {
    fn issuer(entra: bool) -> &'static str {
        if entra { ENTRA_ISSUER } else { ISSUER }
    }

    fn json(&self, entra: bool) -> String {
        let (right, late) = (NOW - 5, NOW + 300);
        let members = [
            self.iss.json("iss", Self::issuer(entra)),
            self.sub.json("sub", SUBJECT),
            self.aud.json("aud", CLIENT),
            self.azp.json("azp", CLIENT),
            self.exp.json("exp", NOW, late),
            self.iat.json("iat", NOW, right),
            self.nbf.json("nbf", NOW, right),
            self.nonce.json("nonce", NONCE),
            self.tid.json("tid", TENANT),
            self.oid.json("oid", OBJECT_ID),
            self.ver.json("ver", "2.0"),
        ];
        object(members, &self.more)
    }

    /// Whether every rule holds.
    fn hold(&self, entra: bool) -> bool {
        let begins = |time: &Time| time.value(NOW, NOW - 5).is_some_and(|at| at <= NOW + 60);
        let audience = self
            .aud
            .values(CLIENT)
            .is_some_and(|all| all.iter().any(|one| one == CLIENT) && (all.len() == 1 || self.azp.is_right(CLIENT)));
        let azp = self.azp.is_absent() || matches!(self.azp, Text::Null) || self.azp.value(CLIENT).is_some();
        let subject = self.sub.value(SUBJECT);
        self.iss.is_right(Self::issuer(entra))
            && subject.is_some_and(|sub| entra || (!sub.is_empty() && sub.len() <= 512))
            && audience
            && azp
            && self.exp.value(NOW, NOW + 300).is_some_and(|exp| exp > NOW - 60)
            && begins(&self.iat)
            && (self.nbf.is_absent() || begins(&self.nbf))
            && self.nonce.is_right(NONCE)
            && (!entra || self.is_from_tenant())
    }

    fn is_from_tenant(&self) -> bool {
        let known = |text: &Text| matches!(text, Text::Twice);
        let ver = self.ver.is_absent() || self.ver.is_right("2.0") || known(&self.ver);
        let oid = self.oid.value(OBJECT_ID).is_some_and(|oid| !oid.is_empty() && oid.len() <= 512) || known(&self.oid);
        ver && oid && (self.tid.is_right(TENANT) || known(&self.tid))
    }
}

fn signed(input: &Input) -> String {
    let content = format!("{}.{}", b64(input.header.json()), b64(input.claims.json(input.entra)));
    let hmac = |key: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), content.as_bytes()).as_ref().to_vec();
    let ecdsa =
        |key: &EcdsaKeyPair| key.sign(&SystemRandom::new(), content.as_bytes()).expect("a signature").as_ref().to_vec();
    let signature = match input.signature {
        Signature::Right => ecdsa(&KEYS[0]),
        Signature::AnotherKey => ecdsa(&KEYS[1]),
        Signature::HmacOfKey => hmac(KEYS[0].public_key().as_ref()),
        Signature::HmacOfSecret => hmac(digest::digest(&digest::SHA256, b"our secret").as_ref()),
    };
    format!("{content}.{}", b64(signature))
}

fn check(providers: &Providers, input: &Input) {
    let token = input.tampering.apply(signed(input));
    let identity = bounds::within(token.len() * 32 + 256 * 1024, || providers.identify(input.entra, &token));
    let is_signed = input.header.is_right() && input.signature == Signature::Right && input.tampering.is_nothing();
    let is_right = is_signed && input.claims.hold(input.entra);
    if identity.is_some() {
        assert!(is_right, "accepted: {} {}", input.header.json(), input.claims.json(input.entra));
    } else if input.header.is_plain() {
        assert!(!is_right, "refused: {} {}", input.header.json(), input.claims.json(input.entra));
    }
    let Some(identity) = identity else { return };
    assert_eq!(identity.issuer, Claims::issuer(input.entra));
    if input.entra {
        assert_eq!(identity.tenant, TENANT);
        assert!(input.claims.oid.value(OBJECT_ID).is_none_or(|oid| oid == identity.object_id));
    } else {
        assert_eq!((identity.tenant.as_str(), Some(identity.object_id)), ("", input.claims.sub.value(SUBJECT)));
    }
    assert_eq!(identity.verified_email, None, "nobody vouched for one");
}

thread_local! {
    static PROVIDERS: OnceCell<Providers> = const { OnceCell::new() };
}

fuzz_target!(|input: Input| PROVIDERS.with(|providers| check(providers.get_or_init(Providers::new), &input)));
