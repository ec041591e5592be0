//! The steps of a sign-in: to the provider, and back.

use super::{Place, WebLogin, WebPerson};
use crate::clock::Timestamp;
use crate::engine::Inner;
use crate::error::{Reason, Refusal};
use crate::http::Params;
use crate::pages::Area;
use crate::record::{Actor, EventKind, Reference};
use crate::session::User;
use crate::store::Target;
use crate::upstream::{Admission, Identity, LoginAnswer, LoginError, LoginRequest, Rejected};

/// At most so many sign-ins are under way in one browser.
const MAX_OPEN: usize = 4;

/// A sign-in goes to the provider: set the cookie, drop those that are too many.
pub(super) struct Begun {
    pub(super) location: String,
    pub(super) state: String,
    pub(super) cookie: String,
    pub(super) drop: Vec<String>,
}

impl Inner {
    /// Begins a sign-in. `open` are the ones that are under way in this browser: name and value.
    pub(super) async fn begin_web_login(
        &self,
        place: &Place,
        next: String,
        open: impl Iterator<Item = (String, String)>,
    ) -> Result<Begun, Refusal> {
        let now = self.clock.now();
        let login = WebLogin::begin(place.area, next, now, self.random.as_ref())?;
        let state = login.state(&self.ring);
        let location = self
            .provider
            .login_url(LoginRequest {
                callback: &place.callback,
                state: &state,
                nonce: &login.nonce,
                verifier: &login.verifier,
                // Whoever looks at a page like these says as whom.
                select_account: true,
                upstream_scopes: &[],
            })
            .await?;
        let cookie = login.seal(&self.ring, self.random.as_ref())?;
        Ok(Begun { location, state, cookie, drop: self.too_many_logins(place, open, now) })
    }

    /// The names of the cookies that have to go for one more: what does not open or is over, and the oldest.
    fn too_many_logins(
        &self,
        place: &Place,
        open: impl Iterator<Item = (String, String)>,
        now: Timestamp,
    ) -> Vec<String> {
        let (mut kept, mut drop) = (Vec::new(), Vec::new());
        for (name, value) in open {
            let login = WebLogin::open(place.area, &value, &self.ring);
            match login.filter(|login| now.since(login.begun_at) <= self.lifetimes.transaction) {
                Some(login) => kept.push((login.begun_at, name)),
                None => drop.push(name),
            }
        }
        kept.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        drop.extend(kept.into_iter().skip(MAX_OPEN - 1).map(|(_, name)| name));
        drop
    }

    /// The sign-in of this `state` in this browser. Absent is a mismatch (CB-2).
    pub(super) fn whose_web_login(
        &self,
        place: &Place,
        state: &str,
        mut cookies: impl Iterator<Item = String>,
    ) -> Option<WebLogin> {
        cookies.find_map(|sealed| {
            WebLogin::open(place.area, &sealed, &self.ring).filter(|login| login.has_state(state, &self.ring))
        })
    }

    /// The provider sent the browser back: who it is, and whether they may come in.
    pub(super) async fn finish_web_login(
        &self,
        place: &Place,
        login: &WebLogin,
        params: &Params,
    ) -> Result<WebPerson, Refusal> {
        let again = |why: &str| Refusal::new(Reason::WebSignInAgain, why);
        if self.clock.now().since(login.begun_at) > self.lifetimes.transaction {
            return Err(again("the sign-in took too long"));
        }
        if params.repeated().is_some() {
            return Err(again("a parameter of the login's answer came more than once"));
        }
        if let Some(error) = params.get("error") {
            let description = params.get("error_description").unwrap_or("");
            let refusal = Refusal::from(self.provider.explain(LoginError { error, description }));
            return Err(match refusal.reason() {
                Reason::UpstreamDenied => again("the login was cancelled or refused"),
                // Reloading would only bring the same error again.
                Reason::UpstreamBusy => Reason::UpstreamFailed.into(),
                _ => refusal,
            });
        }
        let code = params.get("code").ok_or_else(|| again("the login's answer was incomplete"))?;
        self.meters.upstream(self.clock.now())?;
        let answer = LoginAnswer {
            code,
            issuer: params.get("iss"),
            callback: &place.callback,
            nonce: &login.nonce,
            verifier: &login.verifier,
        };
        // What the provider gave beside the identity is dropped here.
        let identity = self.provider.identify(answer).await?.identity;
        let user = self.admit_to(place, identity).await?;
        // After somebody has proved who they are, so that nobody else writes anything (I-1); before it counts (I-12).
        if !self.store.use_up(&login.used_as(), login.begun_at + self.lifetimes.transaction).await? {
            return Err(again("this sign-in was finished before"));
        }
        let person = WebPerson::signed_in(place, &user, self.clock.now(), self.random.as_ref())?;
        if place.area == Area::Console {
            let mut event = self.event(EventKind::AdminSignedIn, "")?;
            (event.actor, event.user) = (Actor::Admin(user.id.clone()), Some(user.id.clone()));
            // Nobody is in the console without being on the record.
            self.store.record(event).await?;
        }
        tracing::info!(target: "dcr", step = "web", area = ?place.area, user = %user.id, "signed in");
        Ok(person)
    }

    /// Whom an area lets in. To their own connections: everybody whom the provider identifies, since ending them must be
    /// possible for who may not open new ones. Never who is blocked.
    async fn admit_to(&self, place: &Place, identity: Identity) -> Result<User, Refusal> {
        let admitted = match (place.area, &self.admin) {
            (Area::Connections, _) => Admission::let_in([], identity),
            (Area::Console, Some(admin)) => admin.people().admit(&self.admission, identity),
            (Area::Console, None) => return Err(Reason::NotFound.into()),
        };
        let (user, reason) = match admitted {
            Ok(user) => match self.blocked_from_web(&user.id).await {
                Ok(()) => return Ok(user),
                Err(refusal) if refusal.reason() == Reason::SignInBlocked => (Box::new(user), Reason::SignInBlocked),
                Err(refusal) => return Err(refusal),
            },
            Err(Rejected { user, reason: Reason::NotAdmitted }) => (user, Reason::AdminNotAdmitted),
            Err(Rejected { user, reason }) => (user, reason),
        };
        match place.area {
            Area::Console => Err(self.record_refused_admin(&user, reason).await),
            Area::Connections => Err(reason.into()),
        }
    }

    /// Refuses who is blocked: asked at each request, so that a block counts at once.
    pub(super) async fn blocked_from_web(&self, user: &crate::session::UserId) -> Result<(), Refusal> {
        match self.store.blocked(&[Target::User(user.clone())]).await? {
            None => Ok(()),
            Some(_) => Err(Reason::SignInBlocked.into()),
        }
    }

    /// On the record, under the reference that the page will show. If the record cannot be written, the refusal stands.
    async fn record_refused_admin(&self, user: &User, reason: Reason) -> Refusal {
        let refusal = Refusal::from(reason);
        let Ok(mut event) = self.event(EventKind::Refused, reason.as_str()) else {
            return refusal;
        };
        event.user = Some(user.id.clone());
        event.reference = Reference::mint(self.random.as_ref()).ok();
        let reference = event.reference;
        match self.store.record(event).await {
            Ok(()) => refusal.recorded(reference),
            Err(error) => {
                tracing::error!(target: "dcr", %error, reason = reason.as_str(), "a refusal could not be recorded");
                refusal
            }
        }
    }
}
