//! A browser and a relying party in a few lines.

use std::io;
use std::sync::OnceLock;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use dcr_dev_idp::RunningIdp;
use reqwest::{Response, header};
use serde_json::Value;
use url::{Url, form_urlencoded};

pub(crate) const REDIRECT: &str = "http://127.0.0.1:3000/oauth/callback";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const SCOPE: &str = "openid profile email offline_access";

pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A client that follows no redirects. All tests share it, since making one means reading the system's certificates;
/// it keeps no connections, since these would outlive the runtime of their test.
pub(crate) fn browser() -> Result<reqwest::Client> {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    if let Some(client) = CLIENT.get() {
        return Ok(client.clone());
    }
    let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).pool_max_idle_per_host(0);
    let client = builder.build()?;
    Ok(CLIENT.get_or_init(|| client).clone())
}

pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

pub(crate) async fn post(url: &str, pairs: &[(&str, &str)]) -> Result<Response> {
    let request = browser()?.post(url).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    Ok(request.body(form(pairs)).send().await?)
}

pub(crate) async fn get_json(url: &str) -> Result<Value> {
    Ok(serde_json::from_slice(&browser()?.get(url).send().await?.bytes().await?)?)
}

pub(crate) async fn body_json(response: Response) -> Result<Value> {
    Ok(serde_json::from_slice(&response.bytes().await?)?)
}

/// The relying party: one authority of the provider, as its discovery document describes it.
pub(crate) struct Party<'a> {
    pub(crate) idp: &'a RunningIdp,
    pub(crate) document: Value,
}

impl<'a> Party<'a> {
    pub(crate) async fn at(idp: &'a RunningIdp, authority: &str) -> Result<Self> {
        let document = get_json(&format!("{authority}/.well-known/openid-configuration")).await?;
        Ok(Self { idp, document })
    }

    pub(crate) async fn at_root(idp: &'a RunningIdp) -> Result<Self> {
        Self::at(idp, &idp.issuer()).await
    }

    pub(crate) fn endpoint(&self, name: &str) -> &str {
        self.document[name].as_str().unwrap_or_default()
    }

    /// The pairs of a sound authorization request.
    pub(crate) fn request(&self) -> Vec<(&'static str, String)> {
        vec![
            ("client_id", self.idp.client_id().to_owned()),
            ("redirect_uri", REDIRECT.to_owned()),
            ("response_type", "code".to_owned()),
            ("scope", SCOPE.to_owned()),
            ("state", "the-state".to_owned()),
            ("nonce", "the-nonce".to_owned()),
            ("code_challenge", URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()))),
            ("code_challenge_method", "S256".to_owned()),
        ]
    }

    pub(crate) fn url(&self, request: &[(&'static str, String)]) -> String {
        let pairs: Vec<(&str, &str)> = request.iter().map(|(name, value)| (*name, value.as_str())).collect();
        format!("{}?{}", self.endpoint("authorization_endpoint"), form(&pairs))
    }

    pub(crate) async fn authorize(&self, request: &[(&'static str, String)]) -> Result<Response> {
        Ok(browser()?.get(self.url(request)).send().await?)
    }

    /// Picks `user` on the page and returns the pairs of the callback.
    pub(crate) async fn pick(&self, user: &str, fault: &str) -> Result<Vec<(String, String)>> {
        let response = post(&self.url(&self.request()), &[("user", user), ("fault", fault)]).await?;
        callback(&response)
    }

    pub(crate) async fn code(&self, user: &str, fault: &str) -> Result<String> {
        param(&self.pick(user, fault).await?, "code").ok_or_else(|| "no code".into())
    }

    pub(crate) async fn redeem_with(&self, code: &str, redirect_uri: &str, verifier: &str) -> Result<Response> {
        let id = self.idp.client_id();
        let pairs = [
            ("grant_type", "authorization_code"),
            ("client_id", id),
            ("client_secret", self.idp.client_secret()),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier),
        ];
        post(self.endpoint("token_endpoint"), &pairs).await
    }

    pub(crate) async fn redeem(&self, code: &str) -> Result<Response> {
        self.redeem_with(code, REDIRECT, VERIFIER).await
    }

    /// The whole login; the token response.
    pub(crate) async fn tokens(&self, user: &str, fault: &str) -> Result<Value> {
        let code = self.code(user, fault).await?;
        body_json(self.redeem(&code).await?).await
    }

    /// The whole login; the verified claims of the ID token.
    pub(crate) async fn claims(&self, user: &str, fault: &str) -> Result<Value> {
        let tokens = self.tokens(user, fault).await?;
        self.verify(tokens["id_token"].as_str().ok_or("no ID token")?).await
    }

    /// Checks the signature with the key of the served key set and returns the claims.
    pub(crate) async fn verify(&self, jwt: &str) -> Result<Value> {
        let keys = get_json(self.endpoint("jwks_uri")).await?;
        let (message, signature) = jwt.rsplit_once('.').ok_or("not a JWS")?;
        let header = part(jwt, 0)?;
        let keys = keys["keys"].as_array().ok_or("no keys")?;
        let key = keys.iter().find(|key| key["kid"] == header["kid"]).ok_or("unknown key")?;
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap_or_default());
        let signature = URL_SAFE_NO_PAD.decode(signature)?;
        let verified = match (header["alg"].as_str(), key["kty"].as_str()) {
            (Some("RS256"), Some("RSA")) => RsaPublicKeyComponents { n: bytes("n")?, e: bytes("e")? }.verify(
                &RSA_PKCS1_2048_8192_SHA256,
                message.as_bytes(),
                &signature,
            ),
            (Some("ES256"), Some("EC")) => {
                let point = [&[4], &bytes("x")?[..], &bytes("y")?[..]].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message.as_bytes(), &signature)
            }
            _ => return Err("algorithm and key do not fit".into()),
        };
        verified.map_err(|_| "wrong signature")?;
        part(jwt, 1)
    }
}

/// Header (0) or claims (1) of a JWT, unverified.
pub(crate) fn part(jwt: &str, index: usize) -> Result<Value> {
    Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(jwt.split('.').nth(index).unwrap_or_default())?)?)
}

/// The decoded query of the redirect to the client.
pub(crate) fn callback(response: &Response) -> Result<Vec<(String, String)>> {
    let location = response.headers().get(header::LOCATION).ok_or("no redirect")?.to_str()?;
    if response.status() != 303 || !location.starts_with(REDIRECT) {
        return Err(io::Error::other(format!("{} to {location}", response.status())).into());
    }
    Ok(Url::parse(location)?.query_pairs().into_owned().collect())
}

pub(crate) fn param(pairs: &[(String, String)], name: &str) -> Option<String> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
}

pub(crate) fn basic(id: &str, secret: &str) -> String {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(id), encode(secret))))
}
