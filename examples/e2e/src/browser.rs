//! A browser with a person in front of it: cookies, redirects, and two kinds of form.

use std::collections::BTreeMap;

use reqwest::Method;
use reqwest::header::{LOCATION, SET_COOKIE};
use url::Url;

use crate::http::{Answer, Http, encode};
use crate::site::Site;
use crate::volley::Shot;

/// More steps than any sign-in has.
const MAX_STEPS: usize = 20;

/// A browser. Cookies are kept by host and not by port, as in a real one.
#[derive(Debug, Clone)]
pub struct Browser {
    http: Http,
    person: String,
    cookies: BTreeMap<(String, String), String>,
    clicks: bool,
}

/// A sign-in that the provider has sent back to the server's callback, where it has not been yet.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Approved {
    /// The address of the callback, with the provider's answer.
    pub callback: Url,
    /// The `Cookie` header of the browser that approved it.
    pub cookie: String,
}

impl Approved {
    /// What the server's answer to an approval, and the provider's to the person's choice, make together.
    pub fn of(approval: &Answer, choice: &Answer) -> Self {
        let cookies = approval.headers.get_all(SET_COOKIE).iter();
        let cookies = cookies.filter_map(|cookie| cookie.to_str().ok()?.split(';').next());
        let callback = choice.header("location").unwrap_or_else(|| panic!("no way back: {choice:?}"));
        Self { callback: callback.parse().expect("an address"), cookie: cookies.collect::<Vec<_>>().join("; ") }
    }
}

/// A page that the browser shows.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Page {
    /// Where it is.
    pub url: Url,
    /// The answer that it came in.
    pub answer: Answer,
}

/// Where a navigation ended.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_enums, reason = "tests take it apart")]
pub enum Landing {
    /// On a page that waits for the person.
    Page(Page),
    /// It was sent away from the server and the provider, to a client: here.
    Client(Url),
}

impl Browser {
    /// The browser of the provider's user of this id, who allows what they are asked.
    pub fn of(person: &str) -> Self {
        Self { http: Http::default(), person: person.to_owned(), cookies: BTreeMap::new(), clicks: false }
    }

    /// The same, from another address.
    #[must_use]
    pub fn by(self, http: &Http) -> Self {
        Self { http: http.clone(), ..self }
    }

    /// Opens a URL because the person clicked on it, and says so, as browsers do.
    pub async fn click(&mut self, url: &str) -> Landing {
        self.clicks = true;
        let landing = self.open(url).await;
        self.clicks = false;
        landing
    }

    /// The names of the cookies that it has.
    pub fn cookie_names(&self) -> Vec<&str> {
        self.cookies.keys().map(|(_, name)| name.as_str()).collect()
    }

    /// The `Cookie` header that it would send to a URL of this host; empty without cookies.
    pub fn cookies(&self, url: &str) -> String {
        self.cookies_for(&Url::parse(url).expect("a URL"))
    }

    /// Opens a URL and follows redirects inside the two hosts until a page shows, or a client is called.
    pub async fn open(&mut self, url: &str) -> Landing {
        let url = Url::parse(url).expect("a URL to open");
        self.navigate(Method::GET, url, None).await
    }

    /// Opens a URL and does what a person does who wants to sign in, until a client is called or a page has no form.
    pub async fn sign_in(&mut self, url: &str) -> Landing {
        let mut landing = self.open(url).await;
        for _ in 0..MAX_STEPS {
            let Landing::Page(page) = &landing else { return landing };
            landing = match page.form() {
                Form::Consent => self.decide(page, "approve").await,
                Form::Accounts => self.pick(page).await,
                Form::None => return landing,
            };
        }
        panic!("no end of pages: {landing:?}");
    }

    /// Answers the consent page: `approve` or `deny`.
    pub async fn decide(&mut self, page: &Page, decision: &str) -> Landing {
        let sealed = page.hidden("request");
        self.submit(page, &[("request", &sealed), ("decision", decision)]).await
    }

    /// Sends a form of one's own, as a page of that place could.
    pub async fn post(&mut self, url: &str, fields: &[(&str, &str)]) -> Landing {
        let url = Url::parse(url).expect("a URL to post to");
        let origin = url.origin().ascii_serialization();
        self.navigate(Method::POST, url, Some((encode(fields), origin))).await
    }

    /// The approval of this page, to be sent to a replica of its server in a [`Volley`](crate::Volley). Each time that it is
    /// sent begins a sign-in of its own.
    pub fn approval(&self, page: &Page, site: &Site) -> Shot {
        let action = attribute(page.form_tag(), "action").expect("a form with an action");
        let action = page.url.join(&action).expect("the action is an address");
        let (cookies, origin) = (self.cookies_for(&page.url), page.url.origin().ascii_serialization());
        let headers = [("cookie", cookies.as_str()), ("origin", &origin), ("sec-fetch-site", "same-origin")];
        let form = [("request", page.hidden("request")), ("decision", "approve".to_owned())];
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Shot::post_form(&site.url(action.path()), &headers, &form)
    }

    /// Picks the person's account at the provider.
    pub async fn pick(&mut self, page: &Page) -> Landing {
        let person = self.person.clone();
        self.submit(page, &[("user", &person)]).await
    }

    async fn submit(&mut self, page: &Page, fields: &[(&str, &str)]) -> Landing {
        let action = attribute(page.form_tag(), "action").expect("a form with an action");
        let action = page.url.join(&action).expect("the action is an address");
        self.navigate(Method::POST, action, Some((encode(fields), page.url.origin().ascii_serialization()))).await
    }

    async fn navigate(&mut self, method: Method, url: Url, form: Option<(String, String)>) -> Landing {
        let (mut method, mut url, mut form) = (method, url, form);
        for _ in 0..MAX_STEPS {
            let answer = self.request(&method, &url, form.as_ref()).await;
            let Some(location) = answer.headers.get(LOCATION) else {
                return Landing::Page(Page { url, answer });
            };
            assert!(answer.status.is_redirection(), "a Location without a redirect: {answer:?}");
            let next = url.join(location.to_str().expect("a location of text")).expect("a location");
            if !self.is_ours(&next) {
                return Landing::Client(next);
            }
            (method, url, form) = (Method::GET, next, None);
        }
        panic!("no end of redirects at {url}");
    }

    /// The server's and the provider's pages; every other place is a client's.
    fn is_ours(&self, url: &Url) -> bool {
        let path = url.path();
        url.scheme() == "http" && (path.starts_with("/oauth/") || path.ends_with("/authorize"))
    }

    async fn request(&mut self, method: &Method, url: &Url, form: Option<&(String, String)>) -> Answer {
        let cookies = self.cookies_for(url);
        let mut headers = vec![("accept", "text/html,application/xhtml+xml,*/*;q=0.8"), ("sec-fetch-mode", "navigate")];
        if self.clicks {
            headers.extend([("sec-fetch-user", "?1"), ("sec-fetch-dest", "document")]);
        }
        if !cookies.is_empty() {
            headers.push(("cookie", &cookies));
        }
        if let Some((_, origin)) = form {
            headers.push(("origin", origin));
            headers.push(("sec-fetch-site", "same-origin"));
            headers.push(("content-type", "application/x-www-form-urlencoded"));
        }
        let body = form.map(|(body, _)| body.clone()).unwrap_or_default();
        let answer = self.http.send(method.clone(), url.as_str(), &headers, body).await;
        for cookie in answer.headers.get_all(SET_COOKIE) {
            self.keep(url, cookie.to_str().expect("a cookie of text"));
        }
        answer
    }

    fn cookies_for(&self, url: &Url) -> String {
        let host = url.host_str().unwrap_or_default();
        let of_host = self.cookies.iter().filter(|((of, _), _)| of == host);
        of_host.map(|((_, name), value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn keep(&mut self, url: &Url, cookie: &str) {
        let mut parts = cookie.split(';').map(str::trim);
        let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("a cookie is a pair");
        let key = (url.host_str().unwrap_or_default().to_owned(), name.to_owned());
        if parts.any(|part| part.eq_ignore_ascii_case("max-age=0")) {
            self.cookies.remove(&key);
        } else {
            self.cookies.insert(key, value.to_owned());
        }
    }
}

/// What a page asks of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Consent,
    Accounts,
    None,
}

impl Page {
    fn form(&self) -> Form {
        let html = &self.answer.body;
        match (html.contains("<form"), html.contains("name=\"decision\""), html.contains("name=user ")) {
            (true, true, _) => Form::Consent,
            (true, _, true) => Form::Accounts,
            _ => Form::None,
        }
    }

    fn form_tag(&self) -> &str {
        self.tags("form").next().unwrap_or_else(|| panic!("a page with a form: {self:?}"))
    }

    /// The value of a hidden field of the page's form.
    pub fn hidden(&self, name: &str) -> String {
        self.tags("input")
            .find(|tag| attribute(tag, "name").as_deref() == Some(name))
            .and_then(|tag| attribute(tag, "value"))
            .unwrap_or_else(|| panic!("a field {name}: {self:?}"))
    }

    fn tags<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let opening = format!("<{name} ");
        let html = self.answer.body.as_str();
        let starts: Vec<usize> = html.match_indices(&opening).map(|(at, _)| at).collect();
        starts.into_iter().filter_map(|at| html[at..].split('>').next())
    }
}

impl Landing {
    /// The client's address that the browser was sent to.
    pub fn client(self) -> Url {
        match self {
            Self::Client(url) => url,
            Self::Page(page) => panic!("the browser stayed on a page: {page:?}"),
        }
    }

    /// The page that it stayed on.
    pub fn page(self) -> Page {
        match self {
            Self::Page(page) => page,
            Self::Client(url) => panic!("the browser was sent to {url}"),
        }
    }
}

/// The value of a quoted attribute. Our pages and the provider's write them this way.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    let value = rest.split('"').next()?;
    Some(value.replace("&#34;", "\"").replace("&quot;", "\"").replace("&#38;", "&").replace("&amp;", "&"))
}
