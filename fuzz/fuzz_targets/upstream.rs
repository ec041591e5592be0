//! What the company login answers (UPS-03, UP-10, RS-11): discovery, keys and token answers of any bytes end in a person or in
//! one kind of error, in bounded memory; in a person only if that is who a genuine ID token names.
//!
//! Input: which answer is odd, its status, whether the login is Entra; then its body. `@TOKEN@` in it is a genuine ID token.

#![no_main]

use std::sync::LazyLock;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use dcr_core::testing::ManualClock;
use dcr_core::upstream::{
    EntraConfig, IdentityProvider as _, LoginAnswer, LoginError, LoginRequest, OidcConfig, OidcProvider,
};
use dcr_fuzz::tokens::b64;
use dcr_fuzz::web::Web;
use dcr_fuzz::world::VERIFIER;
use dcr_fuzz::{bounds, now, urls};
use libfuzzer_sys::{Corpus, fuzz_target};

const NOW: i64 = 1_790_000_000;
const STATUSES: [u16; 8] = [200, 200, 400, 401, 429, 500, 503, 302];
const BASES: [&str; 2] =
    ["https://idp.example", "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0"];

/// P-256 with the private number 1, whose public point is the curve's base point.
static TOKEN: LazyLock<[String; 2]> = LazyLock::new(|| {
    BASES.map(|issuer| {
        let claims = serde_json::json!({
            "iss": issuer, "sub": "subject", "aud": "client", "exp": NOW + 300, "iat": NOW, "nonce": "nonce", "ver": "2.0",
            "tid": "72f988bf-86f1-41af-91ab-2d7cd011db47", "oid": "object", "email": "ada@example.com", "name": "Ada",
        });
        let content = format!("{}.{}", b64(r#"{"alg":"ES256","kid":"1"}"#), b64(claims.to_string()));
        format!("{content}.{}", b64(ecdsa().sign(&aws_lc_rs::rand::SystemRandom::new(), content.as_bytes()).expect("signs")))
    })
});

const BASE_POINT: [u8; 64] = [
    0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d,
    0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a,
    0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb,
    0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
];

fn ecdsa() -> aws_lc_rs::signature::EcdsaKeyPair {
    let mut private = [0; 32];
    private[31] = 1;
    let public: Vec<u8> = std::iter::once(4).chain(BASE_POINT).collect();
    let algorithm = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    aws_lc_rs::signature::EcdsaKeyPair::from_private_key_and_public_key(algorithm, &private, &public).expect("a pair")
}

fn keys() -> String {
    let other = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).expect("a seed");
    serde_json::json!({ "keys": [
        { "kty": "EC", "crv": "P-256", "kid": "1", "use": "sig", "x": b64(&BASE_POINT[..32]), "y": b64(&BASE_POINT[32..]) },
        { "kty": "OKP", "crv": "Ed25519", "kid": "2", "x": b64(other.public_key().as_ref()) },
    ]})
    .to_string()
}

fn check(which: u8, status: u16, entra: bool, body: &[u8]) {
    let (web, clock) = (Web::new(), ManualClock::at(NOW));
    let at = usize::from(entra);
    let base = BASES[at];
    let token = TOKEN[at].as_str();
    let document = serde_json::json!({
        "issuer": base, "authorization_endpoint": format!("{base}/authorize"), "token_endpoint": format!("{base}/token"),
        "jwks_uri": format!("{base}/keys"),
    });
    let good = serde_json::json!({ "access_token": "a", "token_type": "Bearer", "id_token": token });
    web.put(format!("{base}/.well-known/openid-configuration"), 200, document.to_string());
    web.put(format!("{base}/keys"), 200, keys());
    web.put(format!("{base}/token"), 200, good.to_string());
    let odd = String::from_utf8_lossy(body).replace("@TOKEN@", token);
    let odd = if std::str::from_utf8(body).is_ok() { odd.into_bytes() } else { body.to_vec() };
    match which % 4 {
        0 => web.put(format!("{base}/.well-known/openid-configuration"), status, odd),
        1 => web.put(format!("{base}/keys"), status, odd),
        2 => web.put(format!("{base}/token"), status, odd),
        _ => {}
    }
    let provider = if entra {
        let config = EntraConfig::new("72f988bf-86f1-41af-91ab-2d7cd011db47", "client", "secret");
        OidcProvider::entra(config, web, clock)
    } else {
        OidcProvider::new(OidcConfig::new(base, "client").secret("secret"), web, clock)
    };
    let provider = provider.expect("a provider");

    let request = LoginRequest {
        callback: "https://mcp.example/oauth/callback",
        state: "s",
        nonce: "nonce",
        verifier: VERIFIER,
        select_account: true,
        upstream_scopes: &[],
    };
    if let Ok(url) = now(provider.login_url(request)) {
        let (url, _) = urls::whatwg(&url).expect("a URL");
        let loopback = ["localhost", "[::1]"].contains(&url.host.as_str()) || url.host.starts_with("127.");
        assert!(url.scheme == "https" || (url.scheme == "http" && loopback), "{url:?}");
    }
    let answer = LoginAnswer {
        code: "c",
        issuer: None,
        callback: "https://mcp.example/oauth/callback",
        nonce: "nonce",
        verifier: VERIFIER,
    };
    let answered = now(provider.identify(answer)).map(|identified| identified.identity);
    match answered {
        Ok(person) => {
            assert_eq!(
                (person.issuer.as_str(), person.email.as_deref(), person.name.as_deref()),
                (base, Some("ada@example.com"), Some("Ada"))
            );
            assert_eq!(person.object_id, if entra { "object" } else { "subject" });
            assert_eq!(person.verified_email, None);
            assert!(which % 4 != 2 || status < 300, "a token in an error");
        }
        Err(error) => {
            // What the operator reads is bounded, and holds no token (UP-10).
            let text = error.to_string();
            assert!(text.len() < 2_048 && !text.contains(token), "{} bytes", text.len());
        }
    }
    if which % 4 == 3 {
        let text = String::from_utf8_lossy(body);
        let (error, description) = text.split_once('\n').unwrap_or((&text, ""));
        let text = provider.explain(LoginError { error, description }).to_string();
        assert!(text.len() < 1_024, "{} bytes", text.len());
    }
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let [which, status, entra, body @ ..] = data else { return Corpus::Reject };
    let status = STATUSES[usize::from(*status) % STATUSES.len()];
    bounds::within(body.len() * 64 + 512 * 1024, || check(*which, status, entra & 1 == 1, body));
    Corpus::Keep
});
