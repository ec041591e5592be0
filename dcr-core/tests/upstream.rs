//! The OpenID Connect provider and its Entra rules, with a provider that signs and may say anything.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dcr_core::testing::ManualClock;
use dcr_core::upstream::{
    EntraConfig, FetchError, HttpFetch, Identity, IdentityProvider, LoginAnswer, LoginError, LoginRequest, OidcConfig,
    OidcProvider, ProviderConfigError, UpstreamFault,
};
use http::{Request, Response};
use serde_json::{Value, json};

const NOW: i64 = 1_790_000_000;
const ISSUER: &str = "https://idp.example";
const TENANT: &str = "11111111-1111-1111-1111-111111111111";
const OTHER: &str = "22222222-2222-2222-2222-222222222222";
const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
const APP: &str = "application";
const NONCE: &str = "the-nonce";

/// What the provider publishes, answers and was asked.
struct Idp {
    keys: Vec<EcdsaKeyPair>,
    document: Mutex<Value>,
    published: Mutex<Value>,
    /// What the token endpoint answers in place of an ID token; its status and body.
    answer: Mutex<Option<(u16, Value)>>,
    /// Header and claims of the ID token.
    header: Mutex<Value>,
    claims: Mutex<Value>,
    asked: Mutex<Vec<Request<Vec<u8>>>>,
}

impl std::fmt::Debug for Idp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Idp")
    }
}

fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Idp {
    /// With two keys, of which it publishes the first.
    fn new(issuer: &str, claims: Value) -> Arc<Self> {
        let key = || EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let idp = Self {
            keys: vec![key(), key()],
            document: Mutex::new(json!({
                "issuer": issuer, "authorization_endpoint": "https://idp.example/authorize",
                "token_endpoint": "https://idp.example/token", "jwks_uri": "https://idp.example/keys",
            })),
            published: Mutex::new(Value::Null),
            answer: Mutex::default(),
            header: Mutex::new(json!({"alg": "ES256", "kid": "k0"})),
            claims: Mutex::new(claims),
            asked: Mutex::default(),
        };
        idp.publish(&[0]);
        Arc::new(idp)
    }

    fn jwk(&self, n: usize) -> Value {
        let point = self.keys[n].public_key().as_ref();
        let (x, y) = (b64(&point[1..33]), b64(&point[33..]));
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": format!("k{n}"), "x": x, "y": y})
    }

    fn publish(&self, keys: &[usize]) {
        *self.published.lock().unwrap() = json!({"keys": keys.iter().map(|n| self.jwk(*n)).collect::<Vec<_>>()});
    }

    fn sign_with(&self, n: usize) {
        *self.header.lock().unwrap() = json!({"alg": "ES256", "kid": format!("k{n}")});
    }

    fn set(&self, name: &str, value: Value) {
        self.claims.lock().unwrap()[name] = value;
    }

    fn id_token(&self) -> String {
        let header = self.header.lock().unwrap().clone();
        let n = usize::from(header["kid"] == "k1");
        let signed = format!(
            "{}.{}",
            b64(header.to_string().as_bytes()),
            b64(self.claims.lock().unwrap().to_string().as_bytes())
        );
        let signature = self.keys[n].sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", b64(signature.as_ref()))
    }

    fn asked(&self, path: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|request| request.uri().path() == path).count()
    }
}

#[async_trait]
impl HttpFetch for Idp {
    async fn fetch(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, FetchError> {
        let path = request.uri().path().to_owned();
        self.asked.lock().unwrap().push(request);
        let (status, body) = match path.as_str() {
            "/keys" => (200, self.published.lock().unwrap().clone()),
            "/token" => self.answer.lock().unwrap().clone().unwrap_or_else(|| {
                (200, json!({"access_token": "at", "token_type": "Bearer", "id_token": self.id_token()}))
            }),
            _ => (200, self.document.lock().unwrap().clone()),
        };
        match status {
            0 => Err(FetchError("unreachable".to_owned())),
            _ => Ok(Response::builder()
                .status(status)
                .header("content-type", "application/json")
                .body(body.to_string().into_bytes())
                .unwrap()),
        }
    }
}

fn claims(issuer: &str, more: Value) -> Value {
    let mut claims = json!({"iss": issuer, "sub": "ada", "aud": APP, "exp": NOW + 300, "iat": NOW, "nonce": NONCE});
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    claims
}

fn oidc(idp: &Arc<Idp>) -> (OidcProvider, Arc<ManualClock>) {
    let clock = ManualClock::at(NOW);
    let config = OidcConfig::new(ISSUER, APP).secret("s3cret").name("Example");
    (OidcProvider::new(config, idp.clone(), clock.clone()).unwrap(), clock)
}

fn generic() -> Arc<Idp> {
    Idp::new(ISSUER, claims(ISSUER, json!({"name": "Ada", "email": "ada@a.example", "email_verified": true})))
}

const TEMPLATE: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";

fn entra_issuer(tenant: &str) -> String {
    EntraConfig::issuer("https://login.microsoftonline.com/", tenant)
}

/// Entra, with a person of `of` and `more` claims.
fn entra(config: EntraConfig, of: &str, more: Value) -> (OidcProvider, Arc<Idp>) {
    let mut all = json!({"tid": of, "oid": "o-1", "ver": "2.0", "name": "Ada", "preferred_username": "ada@a.example"});
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let idp = Idp::new(TEMPLATE, claims(&entra_issuer(of), all));
    (OidcProvider::entra(config, idp.clone(), ManualClock::at(NOW)).unwrap(), idp)
}

fn one_tenant() -> EntraConfig {
    EntraConfig::new(TENANT, APP, "s3cret")
}

async fn identify(provider: &OidcProvider) -> Result<Identity, UpstreamFault> {
    identify_with(provider, None).await
}

async fn identify_with(provider: &OidcProvider, issuer: Option<&str>) -> Result<Identity, UpstreamFault> {
    let callback = "https://mcp.example/oauth/callback";
    let answer = LoginAnswer { code: "code", issuer, callback, nonce: NONCE, verifier: "v".repeat(43).leak() };
    provider.identify(answer).await.map(|identified| identified.identity).map_err(|error| error.fault())
}

#[tokio::test]
async fn a_person_is_issuer_and_subject_and_an_address_counts_where_the_provider_vouches() {
    let idp = generic();
    let (provider, _) = oidc(&idp);
    let ada = identify(&provider).await.unwrap();
    assert_eq!((ada.issuer.as_str(), ada.tenant.as_str(), ada.object_id.as_str()), (ISSUER, "", "ada"));
    assert_eq!((ada.name.as_deref(), ada.verified_email.as_deref()), (Some("Ada"), Some("ada@a.example")));
    let sent = idp.asked.lock().unwrap().iter().find(|request| request.uri().path() == "/token").cloned().unwrap();
    assert_eq!(sent.headers()["authorization"], "Basic YXBwbGljYXRpb246czNjcmV0");
    assert!(sent.headers()["authorization"].is_sensitive(), "OP-5");
    for (vouches, verified) in [(json!("true"), true), (json!(false), false), (json!(1), false), (Value::Null, false)] {
        idp.set("email_verified", vouches.clone());
        let ada = identify(&provider).await.unwrap();
        assert_eq!((ada.email.is_some(), ada.verified_email.is_some()), (true, verified), "{vouches}");
    }
    for (sub, good) in [("s".repeat(512), true), ("s".repeat(513), false), (String::new(), false)] {
        idp.set("sub", json!(sub));
        assert_eq!(identify(&provider).await.is_ok(), good, "{}", sub.len());
    }
}

#[tokio::test]
async fn up_03_what_the_token_says_must_be_signed_for_us_and_now() {
    for (name, value) in [
        ("iss", json!("https://other.example")),
        ("iss", json!("https://idp.example/")),
        ("aud", json!("other")),
        ("exp", json!(NOW - 60)),
        ("nonce", json!("another")),
    ] {
        let idp = generic();
        idp.set(name, value.clone());
        assert_eq!(identify(&oidc(&idp).0).await, Err(UpstreamFault::Invalid), "{name} {value}");
    }
    let idp = generic();
    for header in [
        json!({"alg": "ES384", "kid": "k0"}),
        json!({"alg": "RS256", "kid": "k0"}),
        json!({"alg": "none", "kid": "k0"}),
        json!({"alg": "ES256", "kid": "unknown"}),
    ] {
        *idp.header.lock().unwrap() = header.clone();
        assert_eq!(identify(&oidc(&idp).0).await, Err(UpstreamFault::Invalid), "{header}");
    }
    // Signed by another key under the id of the published one.
    idp.sign_with(1);
    let mut published = idp.jwk(0);
    published["kid"] = json!("k1");
    *idp.published.lock().unwrap() = json!({"keys": [published]});
    assert_eq!(identify(&oidc(&idp).0).await, Err(UpstreamFault::Invalid));
}

#[tokio::test]
async fn keys_roll_at_any_time_and_unknown_ids_do_not_hammer_the_provider() {
    let idp = generic();
    let (provider, clock) = oidc(&idp);
    identify(&provider).await.unwrap();
    idp.sign_with(1);
    idp.publish(&[0, 1]);
    identify(&provider).await.expect("an unknown key is looked for at once");
    assert_eq!(idp.asked("/keys"), 2);
    *idp.header.lock().unwrap() = json!({"alg": "ES256", "kid": "made up"});
    for (after, asked) in [(0, 2), (9, 2), (1, 3), (0, 3)] {
        clock.advance(Duration::from_secs(after));
        assert!(identify(&provider).await.is_err());
        assert_eq!(idp.asked("/keys"), asked, "once in ten seconds");
    }
    // A clock that was set back stops nobody from looking.
    clock.set_back(Duration::from_secs(5));
    assert!(identify(&provider).await.is_err());
    assert_eq!(idp.asked("/keys"), 4);
}

#[tokio::test]
async fn without_a_key_id_there_must_be_no_choice_and_only_signing_keys_count() {
    let idp = generic();
    *idp.header.lock().unwrap() = json!({"alg": "ES256"});
    identify(&oidc(&idp).0).await.expect("the only key");
    idp.publish(&[0, 1]);
    assert_eq!(identify(&oidc(&idp).0).await, Err(UpstreamFault::Invalid));
    let (mut encrypts, mut plain) = (idp.jwk(1), idp.jwk(0));
    encrypts["use"] = json!("enc");
    plain.as_object_mut().unwrap().remove("use");
    *idp.published.lock().unwrap() = json!({"keys": [encrypts, plain, {"kty": "unknown"}]});
    identify(&oidc(&idp).0).await.expect("one that is for signatures, or does not say");
    let mut other = idp.jwk(0);
    other["alg"] = json!("ES384");
    *idp.published.lock().unwrap() = json!({"keys": [other]});
    assert_eq!(identify(&oidc(&idp).0).await, Err(UpstreamFault::Invalid), "a key is for the algorithm that it names");
}

#[tokio::test]
async fn up_04_the_response_is_from_the_issuer_that_was_asked() {
    let idp = generic();
    assert!(identify_with(&oidc(&idp).0, Some(ISSUER)).await.is_ok());
    assert_eq!(identify_with(&oidc(&idp).0, Some("https://other.example")).await, Err(UpstreamFault::Invalid));
    idp.document.lock().unwrap()["authorization_response_iss_parameter_supported"] = json!(true);
    assert!(identify_with(&oidc(&idp).0, Some(ISSUER)).await.is_ok());
    assert_eq!(identify_with(&oidc(&idp).0, None).await, Err(UpstreamFault::Invalid));
    // A template is no issuer that a response could name: the token is what counts.
    let (provider, _) = entra(one_tenant(), TENANT, json!({}));
    assert!(identify_with(&provider, Some(&entra_issuer(TENANT))).await.is_ok());
}

#[tokio::test]
async fn a_refused_exchange_says_whose_fault_it_is() {
    let error = |error: &str| json!({"error": error});
    for (status, body, fault) in [
        (400, error("invalid_grant"), UpstreamFault::CodeRefused),
        (401, error("invalid_client"), UpstreamFault::Configuration),
        (400, json!({"error": "invalid_grant", "error_codes": [65_001]}), UpstreamFault::ConsentNeeded),
        (400, json!({"error": "invalid_grant", "error_description": "AADSTS50105: x"}), UpstreamFault::NotAllowed),
        (500, error("invalid_grant"), UpstreamFault::Busy),
        (429, error("invalid_grant"), UpstreamFault::Busy),
        (503, json!("down"), UpstreamFault::Busy),
        (400, json!("what"), UpstreamFault::Invalid),
        (200, json!({"access_token": "at", "token_type": "Bearer"}), UpstreamFault::Invalid),
        (0, Value::Null, UpstreamFault::Busy),
    ] {
        let idp = generic();
        *idp.answer.lock().unwrap() = Some((status, body.clone()));
        assert_eq!(identify(&oidc(&idp).0).await, Err(fault), "{status} {body}");
    }
    let (provider, idp) = (oidc(&generic()).0, generic());
    let denied = provider.explain(LoginError { error: "access_denied", description: "AADSTS65004: x" });
    assert_eq!(denied.fault(), UpstreamFault::Denied);
    // What is logged: codes and ids, and of no text more than a little.
    let body = json!({"error": "e".repeat(9_000), "error_codes": [7], "trace_id": "t-1", "correlation_id": "c-1"});
    *idp.answer.lock().unwrap() = Some((400, body));
    let callback = "https://mcp.example/oauth/callback";
    let answer = LoginAnswer { code: "code", issuer: None, callback, nonce: NONCE, verifier: "v" };
    let logged = oidc(&idp).0.identify(answer).await.unwrap_err().to_string();
    assert!(logged.contains("codes [7] trace t-1 correlation c-1") && logged.len() < 200, "{logged}");
}

#[tokio::test]
async fn a_provider_that_misdescribes_itself_is_a_mistake_of_configuration() {
    for (name, value) in [
        ("issuer", "https://other.example"),
        ("token_endpoint", "http://idp.example/token"),
        ("authorization_endpoint", "ftp://idp.example/authorize"),
        ("jwks_uri", "http://10.0.0.1/keys"),
    ] {
        let idp = generic();
        idp.document.lock().unwrap()[name] = json!(value);
        assert_eq!(identify(&oidc(&idp).0).await, Err(UpstreamFault::Configuration), "{name}");
    }
    // How the secret is sent: in the form where the provider says that it reads it there, else by header.
    for (methods, header) in [
        (json!([]), true),
        (json!(["client_secret_post"]), false),
        (json!(["client_secret_basic", "client_secret_post"]), false),
        (json!(["client_secret_basic", "private_key_jwt"]), true),
    ] {
        let idp = generic();
        idp.document.lock().unwrap()["token_endpoint_auth_methods_supported"] = methods.clone();
        identify(&oidc(&idp).0).await.unwrap();
        let asked = idp.asked.lock().unwrap();
        let sent = asked.iter().find(|request| request.uri().path() == "/token").unwrap();
        assert_eq!(sent.headers().contains_key("authorization"), header, "{methods}");
        assert_eq!(String::from_utf8_lossy(sent.body()).contains("client_secret=s3cret"), !header, "{methods}");
    }
}

#[tokio::test]
async fn the_login_carries_our_own_values_and_nothing_else() {
    let idp = generic();
    let (provider, _) = oidc(&idp);
    assert_eq!(provider.name(), "Example");
    assert!(provider.insecure_origins().is_empty());
    for select_account in [false, true] {
        let verifier = "v".repeat(43);
        let request = LoginRequest {
            callback: "https://mcp.example/oauth/callback",
            state: "s-1",
            nonce: NONCE,
            verifier: &verifier,
            select_account,
            upstream_scopes: &[],
        };
        let url = url::Url::parse(&provider.login_url(request).await.unwrap()).unwrap();
        assert!(url.as_str().starts_with("https://idp.example/authorize?"));
        let query: BTreeMap<_, _> = url.query_pairs().collect();
        for (name, value) in
            [("state", "s-1"), ("nonce", NONCE), ("response_mode", "query"), ("code_challenge_method", "S256")]
        {
            assert_eq!(query[name], value);
        }
        assert_eq!(query.get("prompt").is_some_and(|prompt| prompt == "select_account"), select_account);
    }
    let clock = ManualClock::at(NOW);
    for (issuer, origin) in
        [("http://localhost:9000/x", Some("http://localhost:9000")), ("http://[::1]:1", Some("http://[::1]:1"))]
    {
        let provider = OidcProvider::new(OidcConfig::new(issuer, APP), idp.clone(), clock.clone()).unwrap();
        assert_eq!(provider.insecure_origins().first().map(String::as_str), origin);
    }
    for issuer in ["http://idp.example", "http://10.0.0.1", "localhost", "ftp://localhost", "data:x"] {
        let refused = OidcProvider::new(OidcConfig::new(issuer, APP), idp.clone(), clock.clone()).unwrap_err();
        assert_eq!(refused, ProviderConfigError::Address(issuer.to_owned()));
    }
}

#[tokio::test]
async fn up_06_entra_people_are_tenant_and_object_id_under_the_issuer_of_their_tenant() {
    let (provider, idp) = entra(one_tenant(), TENANT, json!({}));
    let ada = identify(&provider).await.unwrap();
    assert_eq!((ada.issuer, ada.tenant.as_str(), ada.object_id.as_str()), (entra_issuer(TENANT), TENANT, "o-1"));
    for (name, value, fault) in [
        ("oid", Value::Null, UpstreamFault::Invalid),
        ("oid", json!(""), UpstreamFault::Invalid),
        ("ver", json!("1.0"), UpstreamFault::Invalid),
        ("tid", json!("x"), UpstreamFault::Invalid),
        ("tid", json!(OTHER), UpstreamFault::Invalid),
        ("iss", json!(entra_issuer(OTHER)), UpstreamFault::Invalid),
    ] {
        let good = idp.claims.lock().unwrap()[name].clone();
        idp.set(name, value.clone());
        assert_eq!(identify(&provider).await, Err(fault), "{name} {value}");
        idp.set(name, good);
    }
    identify(&provider).await.expect("the control");
    let (stranger, _) = entra(one_tenant(), OTHER, json!({}));
    assert_eq!(identify(&stranger).await, Err(UpstreamFault::NotAllowed));
    // A key may be for the tokens of one issuer only.
    let mut key = idp.jwk(0);
    for (issuer, good) in [(TEMPLATE.to_owned(), true), (entra_issuer(TENANT), true), (entra_issuer(OTHER), false)] {
        key["issuer"] = json!(issuer);
        *idp.published.lock().unwrap() = json!({"keys": [key]});
        let provider = OidcProvider::entra(one_tenant(), idp.clone(), ManualClock::at(NOW)).unwrap();
        assert_eq!(identify(&provider).await.is_ok(), good, "{issuer}");
    }
}

#[tokio::test]
async fn me_08_an_address_of_entra_counts_where_it_is_proven() {
    let name = json!({});
    for (of_many, more, verified) in [
        (false, name.clone(), Some("ada@a.example")),
        (true, name, None),
        (true, json!({"email": "ada@b.example", "xms_edov": true}), Some("ada@b.example")),
        (true, json!({"email": "ada@b.example", "xms_edov": 1}), Some("ada@b.example")),
        (true, json!({"email": "ada@b.example", "xms_edov": "1"}), Some("ada@b.example")),
        (true, json!({"email": "ada@b.example", "xms_edov": "true"}), Some("ada@b.example")),
        (true, json!({"email": "ada@b.example", "xms_edov": false}), None),
        (true, json!({"email": "ada@b.example", "xms_edov": 0}), None),
        (true, json!({"email": "ada@b.example"}), None),
        (false, json!({"email": "ada@b.example"}), Some("ada@a.example")),
        (false, json!({"acct": 0}), Some("ada@a.example")),
        (false, json!({"acct": 1}), None),
        (false, json!({"idp": "https://sts.windows.net/other/"}), None),
        (false, json!({"idp": entra_issuer(TENANT)}), Some("ada@a.example")),
        (false, json!({"preferred_username": "ada_b.example#EXT#@a.example"}), None),
        (false, json!({"preferred_username": "+49 30 1234"}), None),
    ] {
        let config = if of_many {
            EntraConfig::new("organizations", APP, "s3cret").allowed_tenants([TENANT.to_owned()])
        } else {
            one_tenant()
        };
        let (provider, _) = entra(config, TENANT, more.clone());
        let ada = identify(&provider).await.unwrap();
        assert_eq!(ada.verified_email.as_deref(), verified, "{of_many} {more}");
    }
    let personal = EntraConfig::new(PERSONAL, APP, "s3cret");
    assert_eq!(identify(&entra(personal, PERSONAL, json!({})).0).await.unwrap().verified_email, None);
}

#[test]
fn an_entra_provider_that_would_let_everybody_in_is_not_set_up() {
    let idp = Idp::new(TEMPLATE, json!({}));
    let set_up = |config: EntraConfig| OidcProvider::entra(config, idp.clone(), ManualClock::at(NOW)).map(|_| ());
    let of = |tenant: &str| EntraConfig::new(tenant, APP, "s3cret");
    for good in [of(TENANT), of("contoso.example"), of("consumers"), of("common").allowed_tenants(["*".to_owned()])] {
        assert_eq!(set_up(good), Ok(()));
    }
    for many in ["common", "organizations"] {
        assert_eq!(set_up(of(many)), Err(ProviderConfigError::TenantsNotListed(many.to_owned())));
    }
    for tenant in ["", ".example", "a/b", "a b", "{tenantid}"] {
        assert_eq!(set_up(of(tenant)), Err(ProviderConfigError::Tenant(tenant.to_owned())));
    }
    assert_eq!(set_up(EntraConfig::new(TENANT, "", "s3cret")), Err(ProviderConfigError::ClientId));
    let elsewhere = of(TENANT).authority("http://login.example");
    assert!(matches!(set_up(elsewhere), Err(ProviderConfigError::Address(_))));
}

#[tokio::test]
async fn entra_is_asked_under_its_tenant() {
    let (provider, idp) = entra(one_tenant().authority("https://login.microsoftonline.us/"), TENANT, json!({}));
    identify(&provider).await.unwrap();
    let first = idp.asked.lock().unwrap()[0].uri().to_string();
    assert_eq!(first, format!("https://login.microsoftonline.us/{TENANT}/v2.0/.well-known/openid-configuration"));
}
