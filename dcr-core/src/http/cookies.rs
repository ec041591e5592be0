//! Our cookies: against forged forms, one for each approved transaction, one for each approval that is remembered.
//!
//! A browser that has no cookie against forged forms is given one under a name of its own, so that two first tabs do not
//! overwrite each other's (CB-5); a browser that has one keeps it.
//!
//! On https `__Host-`, Secure, HttpOnly, SameSite=Lax, Path=/ (CB-4, CB-09). On loopback http browsers refuse the prefix;
//! the port is in the name, because cookies do not know ports.

use ::http::header::{COOKIE, SET_COOKIE};
use ::http::{HeaderMap, HeaderValue, Response};

use crate::config::Issuer;
use crate::oauth::remembered::RememberedCookie;

/// No cookie outlives a transaction, but for those of approvals that are remembered.
const MAX_AGE: u64 = 600;
/// How many characters of a value name its cookie.
const NAMED_BY: usize = 16;
/// More values against forged forms than a browser of ours ever holds are not tried.
const MAX_CSRF: usize = 8;
/// More cookies than a browser sends to one host.
const MAX_COOKIES: usize = 200;

/// What our cookies are called here.
#[derive(Debug, Clone)]
pub(crate) struct CookieNames {
    csrf: String,
    transaction: String,
    remembered: String,
    secure: bool,
}

impl CookieNames {
    pub(crate) fn new(issuer: &Issuer) -> Self {
        if issuer.is_https() {
            return Self {
                csrf: "__Host-dcr-csrf-".to_owned(),
                transaction: "__Host-dcr-tx-".to_owned(),
                remembered: "__Host-dcr-ok-".to_owned(),
                secure: true,
            };
        }
        let port = issuer.port().unwrap_or(80);
        Self {
            csrf: format!("dcr-csrf-{port}-"),
            transaction: format!("dcr-tx-{port}-"),
            remembered: format!("dcr-ok-{port}-"),
            secure: false,
        }
    }

    fn set(&self, name: &str, value: &str, max_age: u64) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{name}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}")
    }

    /// The cookie against forged forms; its name is the beginning of its value, which is random.
    pub(crate) fn set_csrf(&self, value: &str) -> String {
        self.set(&named(&self.csrf, value), value, MAX_AGE)
    }

    pub(crate) fn set_transaction(&self, state: &str, sealed: &str) -> String {
        self.set(&self.of_state(state), sealed, MAX_AGE)
    }

    pub(crate) fn drop_transaction(&self, state: &str) -> String {
        self.drop_named(&self.of_state(state))
    }

    /// An approval that is remembered, or one that is not any more.
    pub(crate) fn set_remembered(&self, cookie: &RememberedCookie) -> String {
        self.set(&named(&self.remembered, &cookie.name), &cookie.value, cookie.max_age.as_secs())
    }

    pub(crate) fn drop_named(&self, name: &str) -> String {
        self.set(name, "", 0)
    }

    fn of_state(&self, state: &str) -> String {
        named(&self.transaction, state)
    }
}

/// A cookie is named by the beginning of what it belongs to, cleaned: a stranger may have chosen that text.
pub(crate) fn named(prefix: &str, text: &str) -> String {
    let tail = text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).take(NAMED_BY);
    prefix.chars().chain(tail).collect()
}

/// Whether we could have named a cookie so: others are not ours, whatever they begin with, and their names go into no answer.
pub(crate) fn is_named(prefix: &str, name: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|tail| named(prefix, tail) == name)
}

/// Name and value. Pair by pair: a cookie of somebody else's that is no text must not hide ours, and one under a name of
/// ours counts and is thrown away as ours, whatever its value is (no value of ours has a replacement character).
fn pair(bytes: &[u8]) -> Option<(&str, String)> {
    let at = bytes.iter().position(|b| *b == b'=')?;
    let (name, value) = (bytes.get(..at)?.trim_ascii(), bytes.get(at + 1..)?.trim_ascii());
    Some((std::str::from_utf8(name).ok()?, String::from_utf8_lossy(value).into_owned()))
}

/// Names and values of the cookies of a request: no more than a browser sends.
pub(crate) fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, String)> {
    let pairs = headers.get_all(COOKIE).iter().flat_map(|value| value.as_bytes().split(|b| *b == b';'));
    pairs.filter_map(pair).take(MAX_COOKIES)
}

/// The cookies of a request that may be ours.
#[derive(Debug)]
pub(crate) struct Cookies {
    csrf: Vec<String>,
    transactions: Vec<(String, String)>,
    remembered: Vec<(String, String)>,
}

impl Cookies {
    pub(crate) fn read(headers: &HeaderMap, names: &CookieNames) -> Self {
        let mut cookies = Self { csrf: Vec::new(), transactions: Vec::new(), remembered: Vec::new() };
        for (name, value) in pairs(headers) {
            if name.starts_with(&names.csrf) && name == named(&names.csrf, &value) {
                cookies.csrf.push(value);
            } else if is_named(&names.transaction, name) {
                cookies.transactions.push((name.to_owned(), value));
            } else if is_named(&names.remembered, name) {
                cookies.remembered.push((name.to_owned(), value));
            }
        }
        cookies
    }

    /// The values against forged forms that this browser holds.
    pub(crate) fn csrf(&self) -> &[String] {
        self.csrf.get(..MAX_CSRF).unwrap_or(&self.csrf)
    }

    pub(crate) fn open(&self) -> &[(String, String)] {
        &self.transactions
    }

    /// The values of the cookies by which an approval of this name is remembered.
    pub(crate) fn remembered(&self, names: &CookieNames, name: &str) -> Vec<String> {
        let wanted = named(&names.remembered, name);
        self.remembered.iter().filter(|(name, _)| *name == wanted).map(|(_, value)| value.clone()).collect()
    }

    /// The values of the cookies that this `state` names.
    pub(crate) fn of_state(&self, names: &CookieNames, state: &str) -> Vec<String> {
        let wanted = names.of_state(state);
        self.transactions.iter().filter(|(name, _)| *name == wanted).map(|(_, value)| value.clone()).collect()
    }
}

/// Adds a `Set-Cookie` header, marked so that a host's log of headers does not show it (OP-5).
pub(crate) fn add<B>(response: &mut Response<B>, cookie: &str) {
    // Names are ours or cleaned, values are base64url: this cannot fail, and must not panic if it does.
    if let Ok(mut value) = HeaderValue::from_str(cookie) {
        value.set_sensitive(true);
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
        assert_eq!(loopback.set_csrf("v"), "dcr-csrf-8080-v=v; Path=/; Max-Age=600; HttpOnly; SameSite=Lax");
        assert_eq!(
            loopback.drop_transaction("a;b=c\r\n"),
            "dcr-tx-8080-abc=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
        );
    }

    #[test]
    fn cb_4_an_unprefixed_name_is_not_ours_on_https() {
        let names = CookieNames::new(&Issuer::parse("https://mcp.example").unwrap());
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_static("dcr-tx-abc=evil; __Host-dcr-tx-abc=good; dcr-csrf-evil=evil"));
        let cookies = Cookies::read(&headers, &names);
        assert_eq!(cookies.of_state(&names, "abc"), ["good"]);
        assert!(cookies.csrf().is_empty());
    }

    #[test]
    fn a_name_that_we_never_give_is_not_ours_whatever_it_begins_with() {
        let names = CookieNames::new(&Issuer::parse("https://mcp.example").unwrap());
        let mut headers = HeaderMap::new();
        let sent =
            "__Host-dcr-tx-\u{7d3}=x; __Host-dcr-tx-a b=x; __Host-dcr-tx-0123456789abcdefg=x; __Host-dcr-tx-abc=x";
        headers.insert(COOKIE, HeaderValue::from_bytes(sent.as_bytes()).unwrap());
        let cookies = Cookies::read(&headers, &names);
        assert_eq!(cookies.open(), [("__Host-dcr-tx-abc".to_owned(), "x".to_owned())]);
    }

    #[test]
    fn a_value_that_is_no_text_under_a_name_of_ours_still_counts_as_ours() {
        let names = CookieNames::new(&Issuer::parse("https://mcp.example").unwrap());
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_bytes(b"__Host-dcr-tx-abc=\xff; __Host-dcr-tx-abc=good").unwrap());
        let cookies = Cookies::read(&headers, &names);
        assert_eq!(cookies.of_state(&names, "abc"), ["\u{fffd}", "good"]);
    }

    #[test]
    fn a_foreign_cookie_that_is_no_ascii_hides_none_of_ours() {
        let names = CookieNames::new(&Issuer::parse("http://127.0.0.1:8080").unwrap());
        let mut headers = HeaderMap::new();
        let bytes =
            [b"city=Z\xfcrich; dcr-csrf-8080-abc=abc; x=".as_slice(), "서울".as_bytes(), b"; dcr-csrf-8080-a=b"]
                .concat();
        headers.insert(COOKIE, HeaderValue::from_bytes(&bytes).unwrap());
        assert_eq!(Cookies::read(&headers, &names).csrf(), ["abc"]);
    }
}
