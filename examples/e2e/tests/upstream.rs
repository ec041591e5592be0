//! The upstream side against the development provider's faults (UPS-01, UPS-03, UPS-06): real HTTP, real signatures.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use dcr_core::SystemClock;
use dcr_core::upstream::{
    EntraConfig, Identity, IdentityProvider, LoginAnswer, LoginRequest, ManagedIdentity, OidcConfig, OidcProvider,
    ReqwestFetch, UpstreamCredential, UpstreamError, UpstreamFault,
};
use dcr_dev_idp::{DevIdp, Fault, RunningIdp};
use dcr_e2e::{Browser, Client, Framework, Landing, World};

const CALLBACK: &str = "http://127.0.0.1:9/oauth/callback";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

async fn idp() -> RunningIdp {
    DevIdp::builder().start().await.unwrap()
}

fn plain(idp: &RunningIdp) -> OidcProvider {
    let config = OidcConfig::new(idp.issuer(), idp.client_id()).secret(idp.client_secret());
    OidcProvider::new(config, Arc::new(ReqwestFetch::new().unwrap()), Arc::new(SystemClock)).unwrap()
}

fn entra(idp: &RunningIdp, tenant: &str, allowed: &[&str]) -> OidcProvider {
    let config = EntraConfig::new(tenant, idp.client_id(), idp.client_secret())
        .authority(idp.issuer())
        .allowed_tenants(allowed.iter().map(|t| (*t).to_owned()));
    OidcProvider::entra(config, Arc::new(ReqwestFetch::new().unwrap()), Arc::new(SystemClock)).unwrap()
}

fn browser() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// Logs `user` in with `fault` picked for this login; answers the callback's code.
async fn code(provider: &OidcProvider, user: &str, fault: Option<Fault>) -> String {
    let request = LoginRequest {
        callback: CALLBACK,
        state: "st-1",
        nonce: "n-1",
        verifier: VERIFIER,
        select_account: true,
        upstream_scopes: &[],
    };
    let url = provider.login_url(request).await.unwrap();
    let mut form = format!("user={user}");
    if let Some(fault) = fault {
        form.push_str(&format!("&fault={}", fault.name()));
    }
    let page = browser().get(&url).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let answer = browser()
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form)
        .send()
        .await
        .unwrap();
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let url = url::Url::parse(&location).unwrap();
    assert!(location.starts_with(CALLBACK), "{location}");
    url.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned()
}

async fn identify(provider: &OidcProvider, code: &str) -> Result<Identity, UpstreamError> {
    let answer = LoginAnswer { code, issuer: None, callback: CALLBACK, nonce: "n-1", verifier: VERIFIER };
    provider.identify(answer).await.map(|identified| identified.identity)
}

async fn sign_in(provider: &OidcProvider, user: &str, fault: Option<Fault>) -> Result<Identity, UpstreamError> {
    let code = code(provider, user, fault).await;
    identify(provider, &code).await
}

#[tokio::test]
async fn a_person_is_tenant_and_object_id_at_entra_and_subject_elsewhere() {
    let idp = idp().await;
    let ada = sign_in(&entra(&idp, idp.tenant_id(), &[]), "ada", None).await.unwrap();
    assert_eq!(ada.tenant, idp.tenant_id());
    assert!(ada.issuer.ends_with(&format!("/{}/v2.0", idp.tenant_id())));
    assert_eq!(ada.name.as_deref(), idp.users().iter().find(|u| u.id == "ada").map(|u| u.name.as_str()));
    assert_eq!(ada.object_id, idp.users().iter().find(|u| u.id == "ada").unwrap().oid);
    let plain = sign_in(&plain(&idp), "ada", None).await.unwrap();
    assert_eq!((plain.issuer.as_str(), plain.tenant.as_str()), (idp.issuer().as_str(), ""));
    // UPS-06: one address, two people.
    let provider = entra(&idp, idp.tenant_id(), &[]);
    let (bob, carol) =
        (sign_in(&provider, "bob", None).await.unwrap(), sign_in(&provider, "carol", None).await.unwrap());
    assert_eq!(bob.email, carol.email);
    assert_ne!(bob.object_id, carol.object_id);
    // A guest's address proves nothing here.
    assert_eq!(sign_in(&provider, "dan", None).await.unwrap().verified_email, None);
}

#[tokio::test]
async fn ups_01_what_goes_upstream_is_ours_alone() {
    let idp = idp().await;
    sign_in(&entra(&idp, idp.tenant_id(), &[]), "ada", None).await.unwrap();
    let seen = idp.counters();
    let names: Vec<&str> = seen.last_authorize.iter().map(|(name, _)| name.as_str()).collect();
    for name in ["state", "nonce", "code_challenge", "code_challenge_method", "client_id", "redirect_uri", "scope"] {
        assert!(names.contains(&name), "{name}");
    }
    assert!(!names.contains(&"resource"));
    assert_eq!(seen.authorize_param("code_challenge_method"), Some("S256"));
    assert_eq!(seen.authorize_param("prompt"), Some("select_account"));
    assert_eq!(seen.token_param("code_verifier"), Some(VERIFIER));
}

#[tokio::test]
async fn ups_03_an_answer_that_does_not_hold_signs_nobody_in() {
    let idp = idp().await;
    let tenant = idp.tenant_id().to_owned();
    for provider in [plain(&idp), entra(&idp, &tenant, &[])] {
        for fault in [
            Fault::WrongNonce,
            Fault::MissingNonce,
            Fault::WrongAudience,
            Fault::WrongIssuer,
            Fault::Expired,
            Fault::FutureNbf,
            Fault::FutureIat,
            Fault::AlgNone,
            Fault::Hs256WithPublicKey,
            Fault::UnknownKid,
            Fault::WrongSignature,
            Fault::NoIdToken,
            Fault::TokenGarbage,
        ] {
            let error = sign_in(&provider, "ada", Some(fault)).await.expect_err(fault.name());
            assert_eq!(error.fault(), UpstreamFault::Invalid, "{fault}: {error}");
        }
        sign_in(&provider, "ada", None).await.expect("and a good one afterwards works");
    }
    let provider = entra(&idp, &tenant, &[]);
    let error = sign_in(&provider, "ada", Some(Fault::MissingOid)).await.unwrap_err();
    assert_eq!(error.fault(), UpstreamFault::Invalid);
    let error = sign_in(&provider, "ada", Some(Fault::WrongTenant)).await.unwrap_err();
    assert!(matches!(error.fault(), UpstreamFault::Invalid | UpstreamFault::NotAllowed), "{error}");
}

#[tokio::test]
async fn each_kind_of_upstream_trouble_has_its_own_fault() {
    let idp = idp().await;
    let provider = entra(&idp, idp.tenant_id(), &[]);
    for (fault, expected) in [
        (Fault::Error500, UpstreamFault::Busy),
        (Fault::Error503, UpstreamFault::Busy),
        (Fault::HugeBody, UpstreamFault::Busy),
        (Fault::ConsentRequired, UpstreamFault::ConsentNeeded),
        (Fault::InteractionRequired, UpstreamFault::NotAllowed),
        (Fault::BadClient, UpstreamFault::Configuration),
        (Fault::CodeUsed, UpstreamFault::CodeRefused),
    ] {
        let error = sign_in(&provider, "ada", Some(fault)).await.expect_err(fault.name());
        assert_eq!(error.fault(), expected, "{fault}: {error}");
        assert!(!error.to_string().contains("eyJ"), "no token in the operator's log");
    }
}

#[tokio::test]
async fn a_rolled_key_is_fetched_and_the_last_good_set_is_kept() {
    let idp = idp().await;
    let provider = entra(&idp, idp.tenant_id(), &[]);
    sign_in(&provider, "ada", None).await.unwrap();
    assert_eq!(idp.counters().jwks, 1);
    sign_in(&provider, "ada", None).await.unwrap();
    assert_eq!(idp.counters().jwks, 1, "keys are cached");
    idp.rotate_key(false).unwrap();
    sign_in(&provider, "ada", None).await.expect("an unknown key id refetches");
    assert_eq!(idp.counters().jwks, 2);
    // The floor: unknown key ids do not make us hammer the provider.
    for _ in 0..5 {
        sign_in(&provider, "ada", Some(Fault::UnknownKid)).await.unwrap_err();
    }
    assert_eq!(idp.counters().jwks, 2);
    // The provider's key endpoint fails: what was known still works.
    idp.faults().set(Fault::Jwks500);
    sign_in(&provider, "ada", None).await.unwrap();
}

#[tokio::test]
async fn up_06_templated_issuers_let_in_the_listed_tenants_only() {
    let idp = idp().await;
    let own = idp.tenant_id().to_owned();
    let common = entra(&idp, "common", &[&own]);
    assert_eq!(sign_in(&common, "ada", None).await.unwrap().tenant, own);
    // Dan's home is another tenant.
    let error = sign_in(&common, "dan", None).await.unwrap_err();
    assert_eq!(error.fault(), UpstreamFault::NotAllowed);
    let everyone = entra(&idp, "organizations", &["*"]);
    assert_eq!(sign_in(&everyone, "dan", None).await.unwrap().tenant, dcr_dev_idp::OTHER_TENANT_ID);
    for fault in [Fault::WrongIssuer, Fault::WrongTenant] {
        sign_in(&common, "ada", Some(fault)).await.expect_err(fault.name());
    }
    // A configuration that would let in every tenant there is must say so.
    let unsaid = EntraConfig::new("common", "id", "secret");
    assert!(OidcProvider::entra(unsaid, Arc::new(ReqwestFetch::new().unwrap()), Arc::new(SystemClock)).is_err());
}

#[tokio::test]
async fn a_provider_that_calls_itself_otherwise_is_a_configuration_error() {
    let idp = idp().await;
    let config = OidcConfig::new(format!("{}/", idp.issuer()), idp.client_id()).secret(idp.client_secret());
    let provider = OidcProvider::new(config, Arc::new(ReqwestFetch::new().unwrap()), Arc::new(SystemClock)).unwrap();
    let request = LoginRequest {
        callback: CALLBACK,
        state: "s",
        nonce: "n",
        verifier: VERIFIER,
        select_account: false,
        upstream_scopes: &[],
    };
    assert_eq!(provider.login_url(request).await.unwrap_err().fault(), UpstreamFault::Configuration);
    // Nobody there at all: transient.
    let gone = format!("http://127.0.0.1:{}", free_port());
    let config = OidcConfig::new(gone, "x");
    let provider = OidcProvider::new(config, Arc::new(ReqwestFetch::new().unwrap()), Arc::new(SystemClock)).unwrap();
    assert_eq!(provider.login_url(request).await.unwrap_err().fault(), UpstreamFault::Busy);
}

#[tokio::test]
async fn a_slow_provider_is_waited_for_within_bounds() {
    let idp = idp().await;
    idp.faults().set_delay(Duration::from_millis(300));
    let provider = entra(&idp, idp.tenant_id(), &[]);
    sign_in(&provider, "ada", Some(Fault::Slow)).await.unwrap();
}

/// The same faults behind whole servers, and in a browser: an error, on a page or in the app, and never a code.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_upstream_signs_nobody_in_and_breaks_nothing() {
    for framework in Framework::ALL {
        let world = World::start(*framework).await;
        let client = Client::register(&world, &["http://127.0.0.1:49152/callback"]).await;
        // These end well: a slow answer, a rolled key, and a key set that is known from before.
        let harmless = [Fault::Slow, Fault::RotatedKey, Fault::RotatedKeyOnly, Fault::Jwks500];
        let before = client.sign_in(&mut Browser::of("ada")).await;
        for fault in Fault::ALL.iter().filter(|fault| !harmless.contains(fault)) {
            world.idp().faults().set(*fault);
            match Browser::of("ada").sign_in(&client.authorize().url).await {
                Landing::Client(url) => {
                    let names: Vec<_> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
                    assert!(names.iter().any(|name| name == "error"), "{fault}: {url}");
                    assert!(names.iter().all(|name| name != "code"), "{fault}: {url}");
                }
                Landing::Page(page) => {
                    assert!(page.answer.status.as_u16() >= 400, "{fault}: {page:?}");
                    assert_eq!(page.url.path(), "/oauth/callback", "{fault}");
                }
            }
        }
        world.idp().faults().clear();
        let after = client.sign_in(&mut Browser::of("ada")).await;
        let (before, after) = (world.whoami(&before.access).await, world.whoami(&after.access).await);
        assert_eq!(before["connection"], after["connection"]);
    }
}

/// A port on which nobody listens.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Stands in for Azure's instance metadata service: one answer, counted.
async fn metadata_service(assertion: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
    use axum::extract::RawQuery;
    use axum::http::{HeaderMap, StatusCode};
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let answer = move |RawQuery(query): RawQuery, headers: HeaderMap| {
        let log = Arc::clone(&log);
        async move {
            if headers.get("metadata").is_none_or(|value| value != "true") {
                return (StatusCode::BAD_REQUEST, String::new());
            }
            log.lock().unwrap().push(query.unwrap_or_default());
            // As it answers: the time is text.
            let body = format!(r#"{{"access_token":"{assertion}","expires_on":"4102444800","token_type":"Bearer"}}"#);
            (StatusCode::OK, body)
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/metadata/identity/oauth2/token", listener.local_addr().unwrap());
    let app = axum::Router::new().route("/metadata/identity/oauth2/token", axum::routing::get(answer));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (url, asked)
}

#[tokio::test]
async fn up_08_a_managed_identity_is_asked_for_an_assertion_that_is_kept_until_it_lapses() {
    const ASSERTION: &str = "an-assertion-of-the-managed-identity";
    let idp = DevIdp::builder().federated_assertion(ASSERTION).start().await.unwrap();
    let (url, asked) = metadata_service(ASSERTION).await;
    let fetch = Arc::new(ReqwestFetch::new().unwrap());
    let identity = ManagedIdentity::new("identity-1", fetch.clone(), Arc::new(SystemClock)).endpoint(url);
    let credential = UpstreamCredential::Assertion(Arc::new(identity));
    let config = EntraConfig::with_credential(idp.tenant_id(), idp.client_id(), credential).authority(idp.issuer());
    let provider = OidcProvider::entra(config, fetch, Arc::new(SystemClock)).unwrap();
    for user in ["ada", "bob"] {
        sign_in(&provider, user, None).await.unwrap();
    }
    let counters = idp.counters();
    assert_eq!(
        (counters.token_param("client_secret"), counters.token_param("client_assertion")),
        (None, Some(ASSERTION))
    );
    let asked = asked.lock().unwrap().clone();
    assert_eq!(asked, ["api-version=2018-02-01&resource=api%3A%2F%2FAzureADTokenExchange&client_id=identity-1"]);
}

/// A service that is not there may be there later; an identity that is not assigned is for an operator to see.
#[tokio::test]
async fn up_08_trouble_with_a_managed_identity_is_told_apart() {
    let idp = idp().await;
    for (path, fault) in
        [("gone", UpstreamFault::Busy), ("metadata/identity/oauth2/token", UpstreamFault::Configuration)]
    {
        let (url, _) = metadata_service("not registered").await;
        let url = url.replace("metadata/identity/oauth2/token", path);
        let fetch = Arc::new(ReqwestFetch::new().unwrap());
        let identity = ManagedIdentity::new("identity-1", fetch.clone(), Arc::new(SystemClock)).endpoint(url);
        let credential = UpstreamCredential::Assertion(Arc::new(identity));
        let config = EntraConfig::with_credential(idp.tenant_id(), idp.client_id(), credential).authority(idp.issuer());
        let provider = OidcProvider::entra(config, fetch, Arc::new(SystemClock)).unwrap();
        let code = code(&provider, "ada", None).await;
        let error = identify(&provider, &code).await.unwrap_err();
        assert_eq!(error.fault(), fault, "{error}");
    }
}
