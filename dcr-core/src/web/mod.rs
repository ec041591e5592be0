//! Pages of this server that people sign in to, by the same provider as everybody else: the operator's console and the page
//! of one's own connections ([`Area`]).
//!
//! A sign-in begins with a button on a page of ours, so that nobody else's page begins one (CB-1), and is carried by the
//! browser like every transaction here: sealed into a Lax cookie that names its `state`. What it leaves is one more sealed
//! cookie, Strict, for an hour, and nothing in the store: no user, connection, session or upstream token. Each area has its
//! own seals for both cookies; nothing of one opens the other, and neither opens, or is opened by, anything of the MCP flow.
//!
//! It comes back to `/oauth/callback`, the one redirect URI that the provider has; the cookie that fits `state` says whose it
//! is. A console at an origin of its own has a callback of its own there, since cookies do not cross origins.
//!
//! A browser sends no Strict cookie along a chain of redirects that began elsewhere, so the callback answers with a page that
//! goes on by itself. What a link in a mail opens looks signed out for the same reason; the button then finds the session.

mod answer;
mod connections;
mod cookies;
mod seals;
mod sign_in;

use std::fmt;
use std::time::Duration;

use self::cookies::WebCookieNames;
pub(crate) use self::seals::WebLogin;
use crate::clock::Timestamp;
use crate::config::Issuer;
use crate::engine::Inner;
use crate::pages::Area;
use crate::session::UserId;

/// How long somebody stays signed in.
const SESSION: Duration = Duration::from_secs(60 * 60);
/// What is below `/oauth/connections`.
const CONNECTIONS: [&str; 4] = ["", "sign-in", "sign-out", "disconnect"];
/// The longest path that is gone back to after a sign-in, with its query.
const MAX_NEXT: usize = 600;

/// Somebody who signed in to pages of this server.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct WebPerson {
    area: Area,
    user: UserId,
    shown: String,
    signed_in_at: Timestamp,
    form_token: String,
    /// What let them in, as it was then: when that changes, the session is over.
    rules: [u8; 16],
}

impl WebPerson {
    /// Who.
    pub(crate) const fn user(&self) -> &UserId {
        &self.user
    }

    /// Their name or address, as the provider said it: bounded, and to be escaped.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// When the sign-in is over.
    pub(crate) fn until(&self) -> Timestamp {
        self.signed_in_at + SESSION
    }

    /// The value of the field `token` of every form that changes something: this session's alone.
    pub(crate) fn form_token(&self) -> &str {
        &self.form_token
    }
}

impl fmt::Debug for WebPerson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebPerson").field("area", &self.area).field("user", &self.user).finish_non_exhaustive()
    }
}

/// Where an area is, and what its cookies are called there.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) area: Area,
    /// The origin that browsers see.
    origin: Issuer,
    /// Its path.
    base: String,
    /// Where the provider sends the browser back to, in full.
    callback: String,
    names: WebCookieNames,
    /// What lets people in: see [`WebPerson::rules`].
    rules: [u8; 16],
}

impl Place {
    /// One's own connections: at the public URL, for whomever the provider identifies.
    pub(crate) fn connections(issuer: &Issuer, prefix: &str) -> Self {
        let base = format!("{prefix}/connections");
        Self {
            area: Area::Connections,
            callback: format!("{}{prefix}/callback", issuer.as_str()),
            names: WebCookieNames::new(issuer, Area::Connections, prefix, &base),
            origin: issuer.clone(),
            base,
            rules: [0; 16],
        }
    }

    /// The console: at the public URL, or at an origin of its own.
    pub(crate) fn console(issuer: &Issuer, own: Option<&Issuer>, prefix: &str, rules: [u8; 16]) -> Self {
        let origin = own.unwrap_or(issuer).clone();
        let base = format!("{prefix}/admin");
        let callback = match own {
            Some(own) => format!("{}{base}/callback", own.as_str()),
            None => format!("{}{prefix}/callback", issuer.as_str()),
        };
        let names = WebCookieNames::new(&origin, Area::Console, prefix, &base);
        Self { area: Area::Console, origin, base, callback, names, rules }
    }

    /// Where browsers find it.
    pub(crate) fn url(&self) -> String {
        format!("{}{}", self.origin.as_str(), self.base)
    }

    /// The path of a page.
    pub(crate) fn path(&self, page: &str) -> String {
        if page.is_empty() { self.base.clone() } else { format!("{}/{page}", self.base) }
    }

    /// What of a path is below this area; nothing for the area itself.
    pub(crate) fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(&self.base)?;
        if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
    }

    /// A path of this area to go to, or the area itself. Never leads elsewhere: it begins with a path of ours, and has no
    /// character that would need quotes anywhere.
    fn next(&self, wanted: &str) -> String {
        let path = wanted.split('?').next().unwrap_or("");
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/?=&%+:@".contains(&b);
        // Browsers take an encoded dot for a dot (WHATWG URL section 4.1).
        let dots = path.split('/').any(|part| part == "..") || path.to_ascii_lowercase().contains("%2e");
        let fits = wanted.len() <= MAX_NEXT && wanted.bytes().all(plain) && !dots;
        // A page that does something is no page to come back to.
        let page = self.below(path).filter(|page| fits && !["sign-in", "sign-out", "callback"].contains(page));
        page.map_or_else(|| self.base.clone(), |_| wanted.to_owned())
    }
}

impl Inner {
    /// The path of the page of one's own connections, if there is one.
    pub(crate) fn connections_path(&self) -> Option<String> {
        self.connections.as_ref().map(|place| place.base.clone())
    }

    /// Every path of that page.
    pub(crate) fn connections_paths(&self) -> impl Iterator<Item = String> {
        self.connections.iter().flat_map(|place| CONNECTIONS.map(|page| place.path(page)))
    }

    /// What of that page this path is.
    pub(crate) fn connections_at(&self, path: &str) -> Option<(&Place, &'static str)> {
        let place = self.connections.as_ref()?;
        let page = place.below(path).filter(|page| !page.is_empty() || path == place.base)?;
        CONNECTIONS.iter().find(|known| **known == page).map(|known| (place, *known))
    }

    /// Every place that may have a sign-in come back to `/oauth/callback`.
    fn places(&self) -> impl Iterator<Item = &Place> {
        self.connections.iter().chain(self.console_place())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_on_to_is_a_page_of_the_same_area_whatever_was_wanted() {
        let place = Place::console(&Issuer::parse("https://mcp.example").unwrap(), None, "/oauth", [0; 16]);
        for good in ["/oauth/admin", "/oauth/admin/", "/oauth/admin/people/usr_x?q=a%20b&cursor=x", "/oauth/admin?x=1"]
        {
            assert_eq!(place.next(good), good);
        }
        for wrong in [
            "",
            "/",
            "//evil.example/oauth/admin",
            "https://evil.example/oauth/admin",
            "/oauth/administration",
            "/oauth/admin/../../evil",
            "/oauth/admin/%2E%2e/evil",
            "/oauth/admin/\\evil",
            "/oauth/admin;url=https://evil.example",
            "/oauth/admin/\"><script>",
            "/oauth/admin/\r\nset-cookie:x",
            "/oauth/admin/sign-out",
            "/oauth/admin/callback?code=x",
            "/oauth/connections",
            &format!("/oauth/admin/{}", "x".repeat(MAX_NEXT)),
        ] {
            assert_eq!(place.next(wrong), "/oauth/admin", "{wrong}");
        }
    }
}
