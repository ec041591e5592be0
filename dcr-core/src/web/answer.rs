//! Requests to pages that people sign in to: who asks, whether a form is theirs, and what is handed to the page's own code.

use ::http::header::{ALLOW, HeaderName, ORIGIN};
use ::http::request::Parts;
use ::http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use bytes::Bytes;

use super::{Place, WebLogin, WebPerson};
use crate::console::ConsoleRequest;
use crate::engine::Inner;
use crate::error::{Reason, Refusal};
use crate::http::{MAX_BODY, MAX_QUERY, Params, Responder, claimed, cookies, form_body};
use crate::limits::{Caller, Endpoint};
use crate::oauth::challenge::bearer_token;
use crate::oauth::consent::is_same_origin;
use crate::pages::{Area, SignInPage};
use crate::seal::same_bytes;

/// The field of every form that changes something.
const TOKEN: &str = "token";

impl Inner {
    /// Who is signed in to `place` in this browser.
    pub(crate) fn web_person(&self, place: &Place, headers: &HeaderMap) -> Option<WebPerson> {
        let now = self.clock.now();
        place.names.sessions(headers).find_map(|sealed| WebPerson::open(place, &sealed, now, &self.ring))
    }

    /// The same for a request that a script of our own page makes, or that a person types: one with a Strict cookie, of which
    /// the browser says (Fetch Metadata) that it comes from this origin; to read, also from nowhere. `Err` if it is one with
    /// the cookie of somebody who may not come in any more.
    pub(crate) async fn web_caller(&self, place: &Place, parts: &Parts) -> Result<Option<WebPerson>, Refusal> {
        let headers = &parts.headers;
        let from_here = match (claimed(headers, "sec-fetch-site"), claimed(headers, ORIGIN.as_str())) {
            (Some("same-origin"), None) => true,
            (Some("same-origin"), Some(origin)) => origin == place.origin.as_str(),
            (Some("none"), None) => parts.method == Method::GET,
            _ => false,
        };
        let Some(person) = from_here.then(|| self.web_person(place, headers)).flatten() else { return Ok(None) };
        self.blocked_from_web(person.user()).await?;
        Ok(Some(person))
    }

    /// One request to a page of `place`; `page` is its path below. `body` is read only of those that the limits let in: not
    /// counted are those of people who are signed in to the console, who must get in while others use up what is left.
    pub(crate) async fn answer_web(
        &self,
        place: &Place,
        page: &str,
        parts: &Parts,
        body: impl Future<Output = Result<Bytes, Reason>>,
    ) -> Response<Bytes> {
        let respond = Responder::new(self, &parts.headers);
        let person = self.web_person(place, &parts.headers);
        let caller = self.proxies.caller(parts);
        let begins = parts.method == Method::POST && page == "sign-in";
        let endpoint = if begins { Endpoint::Authorize } else { Endpoint::SignIn };
        let is_counted = person.is_none() || place.area != Area::Console;
        if is_counted && let Err(refusal) = self.meters.admit(endpoint, &caller, self.clock.now()) {
            return respond.refusal("limits", &refusal);
        }
        let answered = match read(parts, body).await {
            Ok(body) => self.web_page(place, page, parts, &body, person.as_ref(), &caller, &respond).await,
            Err(refusal) => Err(refusal),
        };
        let response = answered.unwrap_or_else(|refusal| match refusal.reason() {
            Reason::TokenInvalid => respond.refusal_bearer(&refusal),
            Reason::MethodNotAllowed => {
                let mut response = respond.refusal("web", &refusal);
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
                response
            }
            Reason::WebSignInAgain | Reason::WebFormForeign => {
                respond.refusal_with_way_back("web", &refusal, Some(place.path("")))
            }
            _ => respond.refusal("web", &refusal),
        });
        if is_counted && response.status().is_client_error() {
            self.meters.failed(endpoint, &caller, self.clock.now());
        }
        alone(response)
    }

    #[expect(clippy::too_many_arguments, reason = "one request, taken apart")]
    async fn web_page(
        &self,
        place: &Place,
        page: &str,
        parts: &Parts,
        body: &[u8],
        person: Option<&WebPerson>,
        caller: &Caller,
        respond: &Responder<'_>,
    ) -> Result<Response<Bytes>, Refusal> {
        let headers = &parts.headers;
        if bearer_token(headers).is_ok() {
            // Access tokens are for resources; the admin token is for the API. Who sends one here is a program.
            return Err(Reason::TokenInvalid.into());
        }
        match (&parts.method, page) {
            (&Method::GET, "sign-in" | "sign-out") => return Ok(respond.see_other(place.path(""))),
            (&Method::GET, "callback") => return self.web_callback(place, parts, caller, respond).await,
            (&Method::GET, _) => {}
            (&Method::POST, "callback") => return Err(Reason::MethodNotAllowed.into()),
            (&Method::POST, _) => self.is_posted_here(place, headers)?,
            _ => return Err(Reason::MethodNotAllowed.into()),
        }
        let form = match parts.method {
            Method::POST => Some(form_body(headers, b"", body)?),
            _ => None,
        };
        if page == "sign-in" {
            let next = form.as_ref().and_then(|form| form.get("next")).unwrap_or("");
            return self.web_sign_in(place, place.next(next), headers, person, respond).await;
        }
        let Some(person) = person else {
            let whole = parts.uri.path_and_query().map_or("", |whole| whole.as_str());
            return match form {
                None => self.sign_in_page(place, place.next(whole), respond),
                Some(_) => Err(Reason::WebSignInAgain.into()),
            };
        };
        if let Some(form) = &form {
            let token = form.get(TOKEN).unwrap_or("");
            if !same_bytes(token.as_bytes(), person.form_token().as_bytes()) {
                return Err(Refusal::new(Reason::WebFormForeign, "the form has no token of this sign-in"));
            }
        }
        if page == "sign-out" {
            let mut response = respond.see_other(place.path(""));
            cookies::add(&mut response, &place.names.drop_session());
            return Ok(response);
        }
        self.blocked_from_web(person.user()).await?;
        match place.area {
            Area::Console => {
                let query = parts.uri.query().unwrap_or("").as_bytes();
                let (method, form) = (&parts.method, form.as_ref());
                Ok(self.console(ConsoleRequest { person, method, path: page, query, form, headers }).await)
            }
            Area::Connections => self.own_connections(place, page, person, form.as_ref(), respond).await,
        }
    }

    /// Whether a form comes from a page of this origin.
    fn is_posted_here(&self, place: &Place, headers: &HeaderMap) -> Result<(), Refusal> {
        let (fetch_site, origin) = (claimed(headers, "sec-fetch-site"), claimed(headers, ORIGIN.as_str()));
        if is_same_origin(fetch_site, origin, place.origin.as_str()) {
            Ok(())
        } else {
            Err(Refusal::new(Reason::WebFormForeign, "the form was sent from another website"))
        }
    }

    fn sign_in_page(&self, place: &Place, next: String, respond: &Responder<'_>) -> Result<Response<Bytes>, Refusal> {
        let (brand, style) = self.look.shared();
        let page = SignInPage {
            language: respond.language(),
            brand,
            style,
            area: place.area,
            login: self.provider.name().to_owned(),
            action: place.path("sign-in"),
            next,
        };
        let page = self.look.sign_in(&page).ok_or(Reason::Internal)?;
        // Chromium checks every redirect that follows a form: the login, and wherever that sends people on to (CO-7).
        let mut targets = "'self' https:".to_owned();
        for origin in &self.site.insecure_origins {
            targets.push(' ');
            targets.push_str(origin);
        }
        Ok(respond.page(StatusCode::OK, page, &targets))
    }

    async fn web_sign_in(
        &self,
        place: &Place,
        next: String,
        headers: &HeaderMap,
        person: Option<&WebPerson>,
        respond: &Responder<'_>,
    ) -> Result<Response<Bytes>, Refusal> {
        if person.is_some() {
            // Somebody who came by a link of another site, along which the browser sent no Strict cookie.
            return Ok(respond.see_other(next));
        }
        let begun = self.begin_web_login(place, next, place.names.logins(headers)).await?;
        let mut response = respond.see_other(begun.location);
        cookies::add(&mut response, &place.names.set_login(&begun.state, &begun.cookie));
        for name in begun.drop {
            cookies::add(&mut response, &place.names.drop_named(&name));
        }
        Ok(response)
    }

    /// The callback of an area at an origin of its own.
    async fn web_callback(
        &self,
        place: &Place,
        parts: &Parts,
        caller: &Caller,
        respond: &Responder<'_>,
    ) -> Result<Response<Bytes>, Refusal> {
        let params = Params::parse(parts.uri.query().unwrap_or("").as_bytes());
        let params = params.map_err(|_| Reason::WebSignInAgain)?;
        let state = params.get("state").filter(|state| state.len() <= 64).ok_or(Reason::WebSignInAgain)?;
        let cookies = place.names.of_state(&parts.headers, state);
        let login = self.whose_web_login(place, state, cookies).ok_or_else(|| {
            Refusal::new(Reason::WebSignInAgain, "the sign-in was not begun in this browser, or is over")
        })?;
        Ok(self.web_came_back(place, &login, &params, caller, respond).await)
    }

    /// What the provider's answer at `/oauth/callback` is about, if it is a sign-in to pages of ours: its place and itself.
    pub(crate) fn web_login_of(&self, params: &Params, headers: &HeaderMap) -> Option<(&Place, WebLogin)> {
        let state = params.get("state").filter(|state| state.len() <= 64)?;
        self.places().find_map(|place| {
            let login = self.whose_web_login(place, state, place.names.of_state(headers, state))?;
            Some((place, login))
        })
    }

    /// Ends a sign-in: with a page that goes on by itself, because the browser sends no Strict cookie to where a redirect
    /// would lead.
    pub(crate) async fn web_came_back(
        &self,
        place: &Place,
        login: &WebLogin,
        params: &Params,
        caller: &Caller,
        respond: &Responder<'_>,
    ) -> Response<Bytes> {
        let finished = match self.finish_web_login(place, login, params).await {
            Ok(person) => self.welcome(place, &person, login, respond),
            Err(refusal) => Err(refusal),
        };
        let (mut response, over) = match finished {
            Ok(response) => {
                self.meters.proved(caller, self.clock.now());
                (response, true)
            }
            Err(refusal) => {
                let mends_itself = refusal.reason().status() == 503 || refusal.reason().status() == 429;
                (respond.refusal_with_way_back("web", &refusal, way_back(place, &refusal)), !mends_itself)
            }
        };
        if let Some(state) = params.get("state").filter(|_| over) {
            cookies::add(&mut response, &place.names.drop_login(state));
        }
        alone(response)
    }

    fn welcome(
        &self,
        place: &Place,
        person: &WebPerson,
        login: &WebLogin,
        respond: &Responder<'_>,
    ) -> Result<Response<Bytes>, Refusal> {
        // It was a page of this place when it was sealed; configuration may have changed since.
        let next = place.next(&login.next);
        let page = self.look.signed_in(respond.language(), &next).ok_or(Reason::Internal)?;
        let sealed = person.seal(&self.ring, self.random.as_ref())?;
        let mut response = respond.page(StatusCode::OK, page, "'none'");
        if let Ok(refresh) = HeaderValue::try_from(format!("0; url={next}")) {
            response.headers_mut().insert(HeaderName::from_static("refresh"), refresh);
        }
        cookies::add(&mut response, &place.names.set_session(&sealed));
        Ok(response)
    }
}

/// The body, if there may be one of this length.
async fn read(parts: &Parts, body: impl Future<Output = Result<Bytes, Reason>>) -> Result<Bytes, Refusal> {
    let body = body.await?;
    if body.len() > MAX_BODY || parts.uri.query().is_some_and(|query| query.len() > MAX_QUERY) {
        return Err(Reason::BodyTooLarge.into());
    }
    Ok(body)
}

/// The link on the page that says why somebody is not signed in.
fn way_back(place: &Place, refusal: &Refusal) -> Option<String> {
    (refusal.reason() == Reason::WebSignInAgain).then(|| place.path(""))
}

/// No window that opened one of these pages keeps a hand on it. The pages of the MCP flow cannot have this, since clients
/// open them in popups.
fn alone(mut response: Response<Bytes>) -> Response<Bytes> {
    let policies = [("cross-origin-opener-policy", "same-origin"), ("cross-origin-resource-policy", "same-origin")];
    for (name, policy) in policies {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(policy));
    }
    response
}
