//! Every fault does what its description says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::party::{Party, Result, body_json, browser, callback, get_json, param, part, post};
use aws_lc_rs::hmac;
use dcr_dev_idp::{Algorithm, DevIdp, Fault, OTHER_TENANT_ID, RunningIdp};
use serde_json::Value;

const NOW: i64 = 1_790_000_000;

async fn start() -> Result<RunningIdp> {
    Ok(DevIdp::builder().algorithm(Algorithm::Es256).auto_login("ada").clock(Arc::new(|| NOW)).start().await?)
}

/// Header and claims of the ID token that a login under `fault` yields.
async fn token_under(party: &Party<'_>, fault: Fault) -> Result<(String, Value, Value)> {
    let tokens = party.tokens("ada", fault.name()).await?;
    let jwt = tokens["id_token"].as_str().ok_or("no ID token")?.to_owned();
    let (header, claims) = (part(&jwt, 0)?, part(&jwt, 1)?);
    Ok((jwt, header, claims))
}

#[tokio::test]
async fn claims_go_wrong_one_at_a_time() -> Result {
    let idp = start().await?;
    for party in [Party::at_root(&idp).await?, Party::at(&idp, &idp.entra_authority("common")).await?] {
        let sound = party.claims("ada", "none").await?;
        let different = [
            (Fault::WrongNonce, vec!["nonce"]),
            (Fault::MissingNonce, vec!["nonce"]),
            (Fault::WrongAudience, vec!["aud"]),
            (Fault::WrongIssuer, vec!["iss"]),
            (Fault::Expired, vec!["iat", "nbf", "exp"]),
            (Fault::FutureNbf, vec!["nbf", "exp"]),
            (Fault::FutureIat, vec!["iat", "exp"]),
            (Fault::WrongTenant, vec!["tid", "sub", "iss"]),
            (Fault::MissingOid, vec!["oid"]),
        ];
        for (fault, names) in different {
            let (jwt, _, claims) = token_under(&party, fault).await?;
            assert_eq!(party.verify(&jwt).await?, claims, "{fault} leaves the signature sound");
            for (name, value) in sound.as_object().ok_or("no claims")? {
                let differs = claims.get(name) != Some(value);
                let root_keeps_its_issuer =
                    fault == Fault::WrongTenant && name == "iss" && sound["iss"] == idp.issuer();
                let expected = names.contains(&name.as_str()) && !root_keeps_its_issuer;
                assert!(name == "uti" || differs == expected, "{fault}: {name}");
            }
        }
        assert_eq!(token_under(&party, Fault::WrongTenant).await?.2["tid"], OTHER_TENANT_ID);
        assert!(token_under(&party, Fault::Expired).await?.2["exp"].as_i64() < Some(NOW));
    }
    Ok(())
}

#[tokio::test]
async fn signatures_go_wrong() -> Result {
    let rsa = DevIdp::builder().start().await?;
    for idp in [start().await?, rsa] {
        let party = Party::at_root(&idp).await?;
        for fault in [Fault::AlgNone, Fault::Hs256WithPublicKey, Fault::UnknownKid, Fault::WrongSignature] {
            let (jwt, ..) = token_under(&party, fault).await?;
            assert!(party.verify(&jwt).await.is_err(), "{fault}");
        }
        let (jwt, header, _) = token_under(&party, Fault::AlgNone).await?;
        assert!(jwt.ends_with('.') && header["alg"] == "none");
        assert_eq!(token_under(&party, Fault::Hs256WithPublicKey).await?.1["alg"], "HS256");
    }
    Ok(())
}

/// The MAC is what a verifier computes that takes the PEM text of the key for an HMAC secret.
#[tokio::test]
async fn the_mac_is_keyed_with_the_public_key() -> Result {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    let idp = start().await?;
    let party = Party::at_root(&idp).await?;
    let (jwt, ..) = token_under(&party, Fault::Hs256WithPublicKey).await?;
    let keys = get_json(party.endpoint("jwks_uri")).await?;
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(keys["keys"][0][name].as_str().unwrap_or_default());
    // SubjectPublicKeyInfo of a P-256 point: a fixed prefix and the point.
    let prefix = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
        0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
    ];
    let encoded = STANDARD.encode([&prefix[..], &bytes("x")?[..], &bytes("y")?[..]].concat());
    let (first, second) = encoded.split_at(64);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{first}\n{second}\n-----END PUBLIC KEY-----\n");
    let (message, mac) = jwt.rsplit_once('.').ok_or("not a JWS")?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, pem.as_bytes());
    hmac::verify(&key, message.as_bytes(), &URL_SAFE_NO_PAD.decode(mac)?).map_err(|_| "another MAC")?;
    Ok(())
}

#[tokio::test]
async fn keys_rotate() -> Result {
    let idp = start().await?;
    let party = Party::at_root(&idp).await?;
    let old = party.tokens("ada", "none").await?;
    let old = old["id_token"].as_str().ok_or("no ID token")?;
    let (new, ..) = token_under(&party, Fault::RotatedKey).await?;
    party.verify(old).await?;
    party.verify(&new).await?;
    assert_ne!(part(old, 0)?["kid"], part(&new, 0)?["kid"]);
    party.claims("ada", "rotated_key_only").await?;
    assert!(party.verify(old).await.is_err() && party.verify(&new).await.is_err());
    idp.rotate_key(true)?;
    assert_eq!(get_json(party.endpoint("jwks_uri")).await?["keys"].as_array().map(Vec::len), Some(2));
    Ok(())
}

#[tokio::test]
async fn the_token_endpoint_fails_and_the_code_survives() -> Result {
    let idp = start().await?;
    let party = Party::at_root(&idp).await?;
    let cases = [
        (Fault::Error500, 500, None),
        (Fault::Error503, 503, Some(90033)),
        (Fault::TokenGarbage, 200, None),
        (Fault::ConsentRequired, 400, Some(65001)),
        (Fault::InteractionRequired, 400, Some(50076)),
        (Fault::BadClient, 401, Some(7000215)),
        (Fault::CodeUsed, 400, Some(54005)),
    ];
    for (fault, status, number) in cases {
        // Chosen for one login, armed once, armed until cleared.
        let chosen = party.code("ada", fault.name()).await?;
        let first = party.redeem(&chosen).await?;
        assert_eq!(first.status(), status, "{fault}");
        assert_eq!(first.headers().contains_key("retry-after"), fault == Fault::Error503);
        match number {
            Some(number) => assert_eq!(body_json(first).await?["error_codes"][0], number),
            None => assert!(body_json(first).await.is_err(), "{fault} is not JSON"),
        }
        assert_eq!(party.redeem(&chosen).await?.status(), 200);

        let plain = party.code("ada", "none").await?;
        idp.faults().set(fault);
        for _ in 0..2 {
            assert_eq!(party.redeem(&plain).await?.status(), status);
        }
        idp.faults().set_once(fault);
        assert_eq!(party.redeem(&plain).await?.status(), status);
        assert_eq!(idp.faults().armed(), None);
        assert_eq!(party.redeem(&plain).await?.status(), 200);
    }
    Ok(())
}

#[tokio::test]
async fn odd_token_responses() -> Result {
    let idp = start().await?;
    let party = Party::at_root(&idp).await?;
    assert!(party.tokens("ada", "no_id_token").await?.get("id_token").is_none());
    let code = party.code("ada", "huge_body").await?;
    assert!(party.redeem(&code).await?.bytes().await?.len() > 8 * 1024 * 1024);

    idp.faults().set_delay(Duration::from_millis(150));
    let code = party.code("ada", "slow").await?;
    let started = Instant::now();
    assert_eq!(party.redeem(&code).await?.status(), 200);
    assert!(started.elapsed() >= Duration::from_millis(150));
    Ok(())
}

#[tokio::test]
async fn the_way_back_goes_wrong() -> Result {
    let idp = start().await?;
    let party = Party::at_root(&idp).await?;
    let states = |pairs: &[(String, String)]| pairs.iter().filter(|(name, _)| name == "state").count();
    for (fault, error, count) in [
        (Fault::Denied, Some("access_denied"), 1),
        (Fault::ServerError, Some("server_error"), 1),
        (Fault::DuplicateState, None, 2),
        (Fault::NoState, None, 0),
    ] {
        idp.faults().set_once(fault);
        let armed = callback(&party.authorize(&party.request()).await?)?;
        let chosen = party.pick("ada", fault.name()).await?;
        for back in [armed, chosen] {
            assert_eq!(param(&back, "error").as_deref(), error, "{fault}");
            assert_eq!(states(&back), count, "{fault}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn faults_are_armed_over_http() -> Result {
    let idp = start().await?;
    let url = format!("{}/dev/faults", idp.issuer());
    let listed = get_json(&url).await?;
    assert_eq!(listed["active"], Value::Null);
    assert_eq!(listed["faults"].as_array().map(Vec::len), Some(Fault::ALL.len()));

    let armed = body_json(post(&url, &[("fault", "jwks_500"), ("once", "1"), ("delay_ms", "5")]).await?).await?;
    assert_eq!((armed["active"].as_str(), armed["once"].as_bool()), (Some("jwks_500"), Some(true)));
    assert_eq!(idp.faults().delay(), Duration::from_millis(5));
    let jwks = format!("{}/jwks", idp.issuer());
    assert_eq!(browser()?.get(&jwks).send().await?.status(), 500);
    assert_eq!(browser()?.get(&jwks).send().await?.status(), 200);

    post(&url, &[("fault", "denied")]).await?;
    assert_eq!(idp.faults().armed().map(|armed| (armed.fault, armed.once)), Some((Fault::Denied, false)));
    post(&url, &[("fault", "none")]).await?;
    assert_eq!(idp.faults().armed(), None);
    for bad in [&[("fault", "nonsense")][..], &[("fault", "denied"), ("once", "2")], &[("delay_ms", "x")], &[]] {
        assert_eq!(post(&url, bad).await?.status(), 400);
    }
    let page = browser()?.get(&url).header("accept", "text/html").send().await?.text().await?;
    assert!(page.contains("<form method=post") && page.contains("hs256_with_public_key"));
    Ok(())
}
