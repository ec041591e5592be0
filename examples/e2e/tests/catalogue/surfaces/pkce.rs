//! PKCE (RFC 7636): S256, always, and stated.

use dcr_e2e::{Browser, Client, World};

use crate::case::{Case, cases};
use crate::ground::Ground;
use crate::support::{Asking, CHALLENGE, L, P, U, code_of, is_back, is_error, is_page};

pub(crate) fn cases() -> Vec<Case> {
    cases! {
        "PKCE-01" "TK-1" "CVE-2024-23647" "CVE-2024-22258" => no_challenge, "no challenge, no sign-in, whatever kind of client asks";
        "PKCE-02" => plain, "plain is refused, also with an equal verifier";
        "PKCE-03" "LO-1" "CVE-2023-48228" "CVE-2025-4144" => no_verifier, "a code is not given away without the verifier, or with another";
        "PKCE-04" => a_method_that_is_not_s256, "a method that is not S256, byte for byte, is refused";
        "PKCE-05" => a_challenge_of_another_form, "a challenge of another form is refused";
        "TK-2" => a_code_in_another_session, "a code of another session is of no use to one's own client";
    }
}

/// What a client of any kind is told, where it may be told: elsewhere it is a page (DC-12).
async fn refused(world: &World, change: impl Fn(&Asking) -> Asking) {
    let other = "https://app.example/cb";
    let clients = [
        Client::unregistered(world, U, P),
        Client::register(world, &[L]).await,
        Client::register_as(world, &[P], "client_secret_basic").await,
        Client::register_as(world, &[other], "client_secret_post").await,
    ];
    for client in clients {
        let answer = change(&Asking::of(&client.id, &client.redirect)).get(world).await;
        if client.redirect == other {
            is_page(&answer);
        } else {
            is_back(&answer, world, &client.redirect, "invalid_request");
        }
    }
    assert_eq!(world.idp().counters().authorize, 0);
}

async fn no_challenge(ground: &Ground) {
    let world = ground.world().await;
    refused(&world, |good| good.without("code_challenge").without("code_challenge_method")).await;
    refused(&world, |good| good.without("code_challenge")).await;
}

async fn plain(ground: &Ground) {
    let world = ground.world().await;
    refused(&world, |good| good.with("code_challenge_method", "plain")).await;
    // Nor does a challenge pass for its own verifier later.
    let client = Client::unregistered(&world, U, P);
    let landed = Browser::of("ada").sign_in(&Asking::of(U, P).url(&world)).await.client();
    let code = landed.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    is_error(&client.redeem(&code, CHALLENGE).await, 400, "invalid_grant");
    client.redeem(&code, crate::support::VERIFIER).await.expect(200);
}

async fn no_verifier(ground: &Ground) {
    let world = ground.world().await;
    for client in [
        Client::register(&world, &[L]).await,
        Client::unregistered(&world, U, P),
        Client::register_as(&world, &[P], "client_secret_post").await,
    ] {
        let (code, verifier) = code_of(&client, &mut Browser::of("ada")).await;
        let form = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", client.redirect.as_str())];
        is_error(&client.token(&form).await, 400, "invalid_request");
        is_error(&client.redeem(&code, "").await, 400, "invalid_request");
        let altered = format!("~{}", &verifier[1..]);
        for wrong in ["a", &"a".repeat(43), &"a".repeat(200), &verifier[1..], &altered, "ünicode"] {
            is_error(&client.redeem(&code, wrong).await, 400, "invalid_grant");
        }
        // Nothing of this used the code up.
        client.redeem(&code, &verifier).await.expect(200);
    }
}

async fn a_method_that_is_not_s256(ground: &Ground) {
    let world = ground.world().await;
    refused(&world, |good| good.without("code_challenge_method")).await;
    for method in ["", "s256", "S512", "S256 ", " S256", "S256,plain", "none"] {
        refused(&world, |good| good.with("code_challenge_method", method)).await;
    }
}

async fn a_challenge_of_another_form(ground: &Ground) {
    let world = ground.world().await;
    let long = "a".repeat(129);
    let (padded, classic, dotted) =
        (format!("{CHALLENGE}="), format!("{}+", &CHALLENGE[..42]), format!("{}.", &CHALLENGE[..42]));
    let longer = format!("{CHALLENGE}M");
    for challenge in
        ["", &CHALLENGE[..42], &longer, &long, &padded, &classic, &dotted, &CHALLENGE.replace('E', "\u{c9}")]
    {
        refused(&world, |good| good.with("code_challenge", challenge)).await;
    }
}

/// BCP 4.5: the attacker has a code of the victim, and injects it into a sign-in of his own.
async fn a_code_in_another_session(ground: &Ground) {
    let world = ground.world().await;
    let client = Client::register(&world, &[L]).await;
    let (victims, verifier) = code_of(&client, &mut Browser::of("ada")).await;
    let (own, attackers) = code_of(&client, &mut Browser::of("bob")).await;
    is_error(&client.redeem(&victims, &attackers).await, 400, "invalid_grant");
    is_error(&client.redeem(&own, &verifier).await, 400, "invalid_grant");
    client.redeem(&victims, &verifier).await.expect(200);
}
