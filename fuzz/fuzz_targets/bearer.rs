//! Access tokens at the guard (RS-01, RS-03, RS-04, RS-8): of tokens whose every piece is right or wrong in a known way, those
//! are accepted in which everything is right; in one `Authorization` header, which says `Bearer`.

#![no_main]

use std::cell::OnceCell;

use arbitrary::Arbitrary;
use dcr_core::fuzzing::{signed, signing_kid};
use dcr_core::testing::{Person, SignedInPerson};
use dcr_fuzz::tokens::{Tampering, Text, Time, b64, object};
use dcr_fuzz::world::{ISSUER, RESOURCE, World};
use dcr_fuzz::{bounds, now};
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

const NOW: i64 = 1_790_000_000;

#[derive(Debug, Arbitrary)]
struct Input {
    scheme: Scheme,
    another: Option<Vec<u8>>,
    header: Header,
    claims: Claims,
    tampering: Tampering,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Scheme {
    Bearer,
    Lower,
    TwoSpaces,
    Basic,
    Dpop,
    Nothing,
    Tab,
}

#[derive(Debug, Arbitrary)]
enum Header {
    Ours,
    /// The same members in another order, with white space, or with more of them.
    Reordered,
    Spaced,
    Embedded,
    NoAlgorithm,
    Hs256,
    Kid(String),
    Raw(Vec<u8>),
}

#[derive(Debug, Arbitrary)]
struct Claims {
    iss: Text,
    aud: Text,
    sub: Text,
    client_id: Text,
    scope: Text,
    sid: Text,
    con: Text,
    iat: Time,
    exp: Time,
    jti: Text,
    more: Vec<(String, String)>,
}

struct Guarded {
    world: World,
    ada: SignedInPerson,
}

impl Guarded {
    fn new() -> Self {
        let world = World::new();
        let ada = now(world.test.sign_in(&Person::named("Ada")));
        Self { world, ada }
    }
}

impl Header {
    fn bytes(&self, kid: &str) -> Vec<u8> {
        match self {
            Self::Ours => format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{kid}"}}"#).into_bytes(),
            Self::Reordered => format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{kid}"}}"#).into_bytes(),
            Self::Spaced => format!(r#"{{"typ":"at+jwt", "alg":"EdDSA","kid":"{kid}"}}"#).into_bytes(),
            Self::Embedded => format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{kid}","jwk":{{}}}}"#).into_bytes(),
            Self::NoAlgorithm => format!(r#"{{"typ":"at+jwt","alg":"none","kid":"{kid}"}}"#).into_bytes(),
            Self::Hs256 => format!(r#"{{"typ":"at+jwt","alg":"HS256","kid":"{kid}"}}"#).into_bytes(),
            Self::Kid(other) => format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{other}"}}"#).into_bytes(),
            Self::Raw(raw) => raw.clone(),
        }
    }
}

/// The claims of Ada's token, as they are right.
struct Right {
    sub: String,
    client_id: String,
    sid: String,
    con: String,
}

impl Claims {
    fn json(&self, right: &Right) -> String {
        let members = [
            self.iss.json("iss", ISSUER),
            self.aud.json("aud", RESOURCE),
            self.sub.json("sub", &right.sub),
            self.client_id.json("client_id", &right.client_id),
            self.scope.json("scope", "mcp"),
            self.sid.json("sid", &right.sid),
            self.con.json("con", &right.con),
            self.iat.json("iat", NOW, NOW),
            self.exp.json("exp", NOW, NOW + 900),
            self.jti.json("jti", "one"),
        ];
        object(members, &self.more)
    }

    /// Whether every rule holds of what only a key of ours can have signed.
    fn hold(&self, right: &Right) -> bool {
        let is = |text: &Text, right: &str| text.value(right).is_some();
        let (iat, exp) = (self.iat.value(NOW, NOW), self.exp.value(NOW, NOW + 900));
        self.iss.is_right(ISSUER)
            && self.aud.is_right(RESOURCE)
            && self.sub.is_right(&right.sub)
            && self.client_id.is_right(&right.client_id)
            && is(&self.scope, "mcp")
            && self.sid.is_right(&right.sid)
            && self.con.is_right(&right.con)
            && is(&self.jti, "one")
            && matches!((iat, exp), (Some(iat), Some(exp)) if iat <= NOW + 5 && exp > NOW && exp > iat)
    }

    /// Texts that nobody but a key of ours could have put there, and which are well-formed: what happens then is not judged.
    fn are_others(&self, right: &Right) -> bool {
        let other = |text: &Text, right: &str| text.value(right).is_some_and(|value| value != right);
        other(&self.sub, &right.sub) || other(&self.client_id, &right.client_id) || other(&self.con, &right.con)
    }
}

fn check(Guarded { world, ada }: &Guarded, input: &Input) {
    let principal = ada.principal();
    let right = Right {
        sub: principal.user_id().to_string(),
        client_id: principal.client_id().to_string(),
        sid: principal.session().map(|id| id.to_string()).unwrap_or_default(),
        con: principal.connection().map(|id| id.to_string()).unwrap_or_default(),
    };
    let kid = signing_kid(&world.test);
    let head = input.header.bytes(kid);
    let token = input.tampering.apply(signed(&world.test, &head, input.claims.json(&right).as_bytes()));
    let line = match input.scheme {
        Scheme::Bearer => format!("Bearer {token}"),
        Scheme::Lower => format!("bearer {token}"),
        Scheme::TwoSpaces => format!("Bearer  {token}"),
        Scheme::Basic => format!("Basic {}", b64(&token)),
        Scheme::Dpop => format!("DPoP {token}"),
        Scheme::Nothing => token.clone(),
        Scheme::Tab => format!("Bearer\t{token}"),
    };
    let Ok(line) = HeaderValue::try_from(line) else { return };
    let mut headers = HeaderMap::new();
    headers.append("authorization", line);
    if let Some(another) = input.another.as_ref().and_then(|another| HeaderValue::from_bytes(another).ok()) {
        headers.append("authorization", another);
    }
    let answered = bounds::within(token.len() * 32 + 1024 * 1024, || now(world.test.authenticate(&headers, None)));
    let is_bearer = matches!(input.scheme, Scheme::Bearer | Scheme::Lower | Scheme::TwoSpaces) && headers.len() == 1;
    let is_ours = head == Header::Ours.bytes(kid);
    let is_right =
        is_bearer && is_ours && input.tampering.is_nothing() && input.claims.hold(&right) && token.len() <= 8 * 1024;
    match answered {
        Ok(who) => {
            assert!(is_right || input.claims.are_others(&right), "accepted: {}", input.claims.json(&right));
            assert!(is_bearer && is_ours && input.tampering.is_nothing());
            assert_eq!((who.session(), who.resource()), (principal.session(), RESOURCE));
            assert_eq!(who.user_id().to_string(), right.sub, "the user is the session's");
        }
        Err(refusal) => {
            assert!(!is_right, "refused: {refusal} {}", input.claims.json(&right));
            assert!(matches!(refusal.reason().status(), 400 | 401), "{refusal}");
            let challenge = world.test.challenge(&refusal, None, &dcr_core::ScopeSet::default()).expect("a challenge");
            assert!(HeaderValue::from_str(&challenge).is_ok() && challenge.starts_with("Bearer "));
        }
    }
}

thread_local! {
    static GUARDED: OnceCell<Guarded> = const { OnceCell::new() };
}

fuzz_target!(|input: Input| GUARDED.with(|guarded| check(guarded.get_or_init(Guarded::new), &input)));
