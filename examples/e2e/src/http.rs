//! HTTP as the tests speak it: no redirects, no cookies, one answer at a time, read to its end.

use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use url::form_urlencoded;

use crate::tap::Exchange;

/// Nothing in these tests takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client that does what it is told and nothing more.
#[derive(Debug, Clone)]
pub struct Http(reqwest::Client);

/// An answer, whole.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: String,
}

/// One for all tests: each reads the system's root certificates when it is made, which takes longer than a request.
static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| client(None));

fn client(address: Option<IpAddr>) -> reqwest::Client {
    let client = reqwest::Client::builder()
        .local_address(address)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(PATIENCE)
        // A server that is restarted on its port must not be met on an old connection, and no connection may outlive the
        // runtime of its test.
        .pool_max_idle_per_host(0)
        .build();
    client.expect("an HTTP client")
}

impl Default for Http {
    fn default() -> Self {
        Self(CLIENT.clone())
    }
}

impl Http {
    /// Asks from this address of the machine, such as `127.0.0.77`.
    pub fn from_address(address: IpAddr) -> Self {
        Self(client(Some(address)))
    }

    /// Sends a request and reads the answer.
    pub async fn send(&self, method: Method, url: &str, headers: &[(&str, &str)], body: String) -> Answer {
        let answer = self.try_send(method.clone(), url, headers, body).await;
        answer.unwrap_or_else(|error| panic!("{method} {url}: {error:?}"))
    }

    /// The same where a server may be gone.
    ///
    /// # Errors
    /// If there is no answer, or only the beginning of one.
    pub async fn try_send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<Answer, reqwest::Error> {
        let asked = crate::recorder::asked(&method, url, &body);
        let mut request = self.0.request(method.clone(), url).body(body.clone());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some((name, value)) = crate::balancer::only() {
            request = request.header(name, value);
        }
        let request = request.build()?;
        let sent = request.headers().clone();
        let response = self.0.execute(request).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let answer = Answer { status, headers, body: response.text().await? };
        crate::recorder::answered(asked, &answer);
        let url = url.to_owned();
        crate::tap::keep(|| Exchange { method, url, headers: sent, body, answer: answer.clone() });
        Ok(answer)
    }

    /// A request as bytes, see [`Raw`](crate::raw::Raw): what no library would send.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn send_raw(&self, site: &crate::Site, request: &crate::raw::Raw) -> crate::raw::Answer {
        let asked = crate::recorder::asked_raw(site, request);
        let answer = crate::raw::ask(site.address(), request).await;
        crate::recorder::answered_raw(asked, &answer);
        answer
    }

    /// GET.
    pub async fn get(&self, url: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(Method::GET, url, headers, String::new()).await
    }

    /// POST of JSON.
    pub async fn post_json(&self, url: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let headers = [&[("content-type", "application/json")], headers].concat();
        self.send(Method::POST, url, &headers, body.to_string()).await
    }

    /// POST of a form.
    pub async fn post_form(&self, url: &str, headers: &[(&str, &str)], form: &[(&str, &str)]) -> Answer {
        let headers = [&[("content-type", "application/x-www-form-urlencoded")], headers].concat();
        self.send(Method::POST, url, &headers, encode(form)).await
    }
}

impl Answer {
    /// A header's value; panics if it comes twice.
    pub fn header(&self, name: &'static str) -> Option<&str> {
        let mut all = self.headers.get_all(HeaderName::from_static(name)).iter();
        let first = all.next().map(|value| value.to_str().expect("a header of text"));
        assert!(all.next().is_none(), "{name} comes twice");
        first
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The answer, if it has this status.
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self
    }

    /// Status and `error` of an OAuth refusal.
    pub fn oauth_error(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()["error"].as_str().unwrap_or_default().to_owned())
    }
}

/// A form or a query.
pub fn encode(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}
