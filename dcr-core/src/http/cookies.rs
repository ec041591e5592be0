//! Our cookies: one against forged forms, and one for each approved transaction.
//!
//! On https `__Host-`, Secure, HttpOnly, SameSite=Lax, Path=/ (CB-4, CB-09). On loopback http browsers refuse the prefix;
//! the port is in the name, because cookies do not know ports.

use ::http::header::{COOKIE, SET_COOKIE};
use ::http::{HeaderMap, HeaderValue, Response};

use crate::config::Issuer;

/// No cookie outlives a transaction.
const MAX_AGE: u64 = 600;
/// How much of `state` names its cookie.
const STATE_IN_NAME: usize = 16;
/// More cookies than a browser sends to one host.
const MAX_COOKIES: usize = 200;

/// What our cookies are called here.
#[derive(Debug, Clone)]
pub(crate) struct CookieNames {
    csrf: String,
    transaction: String,
    secure: bool,
}

impl CookieNames {
    pub(crate) fn new(issuer: &Issuer) -> Self {
        if issuer.is_https() {
            return Self { csrf: "__Host-dcr-csrf".to_owned(), transaction: "__Host-dcr-tx-".to_owned(), secure: true };
        }
        let port = issuer.port().unwrap_or(80);
        Self { csrf: format!("dcr-csrf-{port}"), transaction: format!("dcr-tx-{port}-"), secure: false }
    }

    fn set(&self, name: &str, value: &str, max_age: u64) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{name}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}")
    }

    pub(crate) fn set_csrf(&self, value: &str) -> String {
        self.set(&self.csrf, value, MAX_AGE)
    }

    pub(crate) fn set_transaction(&self, state: &str, sealed: &str) -> String {
        self.set(&self.of_state(state), sealed, MAX_AGE)
    }

    pub(crate) fn drop_transaction(&self, state: &str) -> String {
        self.drop_named(&self.of_state(state))
    }

    pub(crate) fn drop_named(&self, name: &str) -> String {
        self.set(name, "", 0)
    }

    /// The cookie of a transaction is named by the beginning of its `state`, cleaned: a stranger chooses that text.
    fn of_state(&self, state: &str) -> String {
        let tail = state.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).take(STATE_IN_NAME);
        self.transaction.chars().chain(tail).collect()
    }
}

/// The cookies of a request that may be ours.
#[derive(Debug)]
pub(crate) struct Cookies {
    csrf: Vec<String>,
    transactions: Vec<(String, String)>,
}

impl Cookies {
    pub(crate) fn read(headers: &HeaderMap, names: &CookieNames) -> Self {
        let mut cookies = Self { csrf: Vec::new(), transactions: Vec::new() };
        let pairs = headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        for (name, value) in pairs.take(MAX_COOKIES) {
            if name == names.csrf {
                cookies.csrf.push(value.to_owned());
            } else if name.starts_with(&names.transaction) {
                cookies.transactions.push((name.to_owned(), value.to_owned()));
            }
        }
        cookies
    }

    /// The CSRF cookie; two of one name are none (I-13).
    pub(crate) fn csrf(&self) -> Option<&str> {
        match self.csrf.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }

    pub(crate) fn open(&self) -> &[(String, String)] {
        &self.transactions
    }

    /// The values of the cookies that this `state` names.
    pub(crate) fn of_state(&self, names: &CookieNames, state: &str) -> Vec<String> {
        let wanted = names.of_state(state);
        self.transactions.iter().filter(|(name, _)| *name == wanted).map(|(_, value)| value.clone()).collect()
    }
}

/// Adds a `Set-Cookie` header.
pub(crate) fn add<B>(response: &mut Response<B>, cookie: &str) {
    // Names are ours or cleaned, values are base64url: this cannot fail, and must not panic if it does.
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cb_09_cookie_attributes() {
        let https = CookieNames::new(&Issuer::parse("https://mcp.example").unwrap());
        assert_eq!(
            https.set_transaction("abc", "v"),
            "__Host-dcr-tx-abc=v; Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure"
        );
        let loopback = CookieNames::new(&Issuer::parse("http://127.0.0.1:8080").unwrap());
        assert_eq!(loopback.set_csrf("v"), "dcr-csrf-8080=v; Path=/; Max-Age=600; HttpOnly; SameSite=Lax");
        assert_eq!(
            loopback.drop_transaction("a;b=c\r\n"),
            "dcr-tx-8080-abc=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
        );
    }

    #[test]
    fn cb_4_an_unprefixed_name_is_not_ours_on_https() {
        let names = CookieNames::new(&Issuer::parse("https://mcp.example").unwrap());
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_static("dcr-tx-abc=evil; __Host-dcr-tx-abc=good; dcr-csrf=evil"));
        let cookies = Cookies::read(&headers, &names);
        assert_eq!(cookies.of_state(&names, "abc"), ["good"]);
        assert_eq!(cookies.csrf(), None);
    }

    #[test]
    fn two_csrf_cookies_are_none() {
        let names = CookieNames::new(&Issuer::parse("http://127.0.0.1:8080").unwrap());
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_static("dcr-csrf-8080=a; dcr-csrf-8080=b"));
        assert_eq!(Cookies::read(&headers, &names).csrf(), None);
    }
}
