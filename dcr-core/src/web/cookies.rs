//! The cookies of pages that people sign in to.
//!
//! Under https as the others of this server: `__Host-`, Secure, HttpOnly, and so with `Path=/`. On loopback http, where there
//! is no such prefix, the port is in the name and the path is limited to where they are needed.

use ::http::HeaderMap;

use super::SESSION;
use crate::config::Issuer;
use crate::http::cookies::{is_named, named, pairs};
use crate::pages::Area;

/// A sign-in that is under way is kept for as long as any transaction.
const LOGIN_MAX_AGE: u64 = 600;
/// More of one name than a browser of ours ever holds are not tried.
const MAX_OF_ONE: usize = 8;

/// What the cookies of one area are called at one origin.
#[derive(Debug, Clone)]
pub(super) struct WebCookieNames {
    session: String,
    login: String,
    /// What every one of them ends with.
    end: &'static str,
    session_path: String,
    login_path: String,
}

impl WebCookieNames {
    pub(super) fn new(origin: &Issuer, area: Area, prefix: &str, base: &str) -> Self {
        let area = match area {
            Area::Console => "console",
            Area::Connections => "connections",
        };
        if origin.is_https() {
            return Self {
                session: format!("__Host-dcr-{area}"),
                login: format!("__Host-dcr-{area}-in-"),
                end: "; Secure",
                session_path: "/".to_owned(),
                login_path: "/".to_owned(),
            };
        }
        let port = origin.port().unwrap_or(80);
        Self {
            session: format!("dcr-{area}-{port}"),
            login: format!("dcr-{area}-{port}-in-"),
            end: "",
            session_path: base.to_owned(),
            login_path: prefix.to_owned(),
        }
    }

    /// Who is signed in. Strict: no request that another site causes has it.
    pub(super) fn set_session(&self, value: &str) -> String {
        let Self { session, end, session_path, .. } = self;
        format!("{session}={value}; Path={session_path}; Max-Age={}; HttpOnly; SameSite=Strict{end}", SESSION.as_secs())
    }

    pub(super) fn drop_session(&self) -> String {
        let Self { session, end, session_path, .. } = self;
        format!("{session}=; Path={session_path}; Max-Age=0; HttpOnly; SameSite=Strict{end}")
    }

    /// A sign-in that is under way. Lax: it must be there when the provider sends the browser back.
    pub(super) fn set_login(&self, state: &str, value: &str) -> String {
        self.login(&named(&self.login, state), value, LOGIN_MAX_AGE)
    }

    pub(super) fn drop_login(&self, state: &str) -> String {
        self.drop_named(&named(&self.login, state))
    }

    /// Drops a cookie by its name, which is one of ours.
    pub(super) fn drop_named(&self, name: &str) -> String {
        self.login(name, "", 0)
    }

    fn login(&self, name: &str, value: &str, max_age: u64) -> String {
        let Self { end, login_path, .. } = self;
        format!("{name}={value}; Path={login_path}; Max-Age={max_age}; HttpOnly; SameSite=Lax{end}")
    }

    /// The values under the name of who is signed in.
    pub(super) fn sessions<'a>(&'a self, headers: &'a HeaderMap) -> impl Iterator<Item = String> + 'a {
        pairs(headers).filter(|(name, _)| *name == self.session).map(|(_, value)| value).take(MAX_OF_ONE)
    }

    /// The sign-ins that are under way in this browser: name and value.
    pub(super) fn logins<'a>(&'a self, headers: &'a HeaderMap) -> impl Iterator<Item = (String, String)> + 'a {
        pairs(headers).filter(|(name, _)| is_named(&self.login, name)).map(|(name, value)| (name.to_owned(), value))
    }

    /// The values of the cookies that this `state` names.
    pub(super) fn of_state<'a>(&'a self, headers: &'a HeaderMap, state: &str) -> impl Iterator<Item = String> + 'a {
        let wanted = named(&self.login, state);
        self.logins(headers).filter(move |(name, _)| *name == wanted).map(|(_, value)| value).take(MAX_OF_ONE)
    }
}

#[cfg(test)]
mod tests {
    use ::http::HeaderValue;
    use ::http::header::COOKIE;

    use super::*;

    fn names(origin: &str, area: Area) -> WebCookieNames {
        WebCookieNames::new(&Issuer::parse(origin).unwrap(), area, "/oauth", "/oauth/admin")
    }

    #[test]
    fn cb_09_who_is_signed_in_is_a_strict_cookie_of_an_hour_and_a_sign_in_a_lax_one_of_ten_minutes() {
        let https = names("https://mcp.example", Area::Console);
        assert_eq!(
            https.set_session("v"),
            "__Host-dcr-console=v; Path=/; Max-Age=3600; HttpOnly; SameSite=Strict; Secure"
        );
        assert_eq!(
            https.set_login("abc", "v"),
            "__Host-dcr-console-in-abc=v; Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure"
        );
        let loopback = names("http://127.0.0.1:8080", Area::Console);
        assert_eq!(
            loopback.set_session("v"),
            "dcr-console-8080=v; Path=/oauth/admin; Max-Age=3600; HttpOnly; SameSite=Strict"
        );
        assert_eq!(
            loopback.drop_login("a;b=c\r\n"),
            "dcr-console-8080-in-abc=; Path=/oauth; Max-Age=0; HttpOnly; SameSite=Lax"
        );
    }

    #[test]
    fn a_cookie_of_another_area_or_without_the_prefix_is_not_read() {
        let names = names("https://mcp.example", Area::Console);
        let mut headers = HeaderMap::new();
        let sent = "dcr-console=a; __Host-dcr-connections=b; __Host-dcr-console-in-x=c; __Host-dcr-console=d";
        headers.insert(COOKIE, HeaderValue::from_static(sent));
        assert_eq!(names.sessions(&headers).collect::<Vec<_>>(), ["d"]);
        assert_eq!(names.of_state(&headers, "x").collect::<Vec<_>>(), ["c"]);
        assert_eq!(names.of_state(&headers, "y").count(), 0);
    }
}
