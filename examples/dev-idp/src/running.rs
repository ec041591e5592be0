//! A provider that serves.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::counters::Counters;
use crate::faults::Faults;
use crate::meeting::Meeting;
use crate::realm::Realm;
use crate::shared::{self, Shared};
use crate::users::User;

/// How long [`RunningIdp::shutdown`] waits for requests in flight.
const GRACE: Duration = Duration::from_secs(1);

/// A provider that serves until it is shut down or dropped.
pub struct RunningIdp {
    shared: Arc<Shared>,
    /// Dropping it stops the server.
    stop: oneshot::Sender<()>,
    server: JoinHandle<io::Result<()>>,
}

impl RunningIdp {
    pub(crate) fn serve(listener: TcpListener, shared: Arc<Shared>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let router = shared::router(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            let wait = async {
                // An error means that the sender is gone, which is a wish to stop as well.
                let _: Result<(), oneshot::error::RecvError> = stopped.await;
            };
            axum::serve(listener, router).with_graceful_shutdown(wait).await
        });
        Self { shared, stop, server }
    }

    /// The issuer at the root: `http://127.0.0.1:PORT`.
    pub fn issuer(&self) -> String {
        self.shared.base.clone()
    }

    /// The issuer of the provider's tenant: `http://127.0.0.1:PORT/TENANT/v2.0`.
    pub fn entra_issuer(&self) -> String {
        self.entra_authority(&self.shared.settings.tenant_id)
    }

    /// The Entra-like authority for a tenant's GUID or domain, `common` or `organizations`. Its discovery document is
    /// at `{authority}/.well-known/openid-configuration`.
    pub fn entra_authority(&self, tenant: &str) -> String {
        Realm::Tenant(tenant.to_owned()).issuer(&self.shared.base, tenant)
    }

    /// The id of the one client.
    pub fn client_id(&self) -> &str {
        &self.shared.settings.client_id
    }

    /// The secret of the one client.
    pub fn client_secret(&self) -> &str {
        &self.shared.settings.client_secret
    }

    /// The tenant of the provider.
    pub fn tenant_id(&self) -> &str {
        &self.shared.settings.tenant_id
    }

    /// The switchboard of faults.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// What the provider was asked so far.
    pub fn counters(&self) -> Counters {
        self.shared.counters().clone()
    }

    /// The users as they are now.
    pub fn users(&self) -> Vec<User> {
        self.shared.users().clone()
    }

    /// Changes a user; false if there is none of that id. Grants of the user follow the change.
    pub fn update_user(&self, id: &str, change: impl FnOnce(&mut User)) -> bool {
        match self.shared.users().iter_mut().find(|user| user.id == id) {
            Some(user) => {
                change(user);
                true
            }
            None => false,
        }
    }

    /// Signs in as that user without asking from now on, or asks again. A user who does not exist gets an error page.
    pub fn set_auto_login(&self, user_id: Option<&str>) {
        *self.shared.auto_login() = user_id.map(str::to_owned);
    }

    /// Sets how long access tokens live that are given from now on, in whole seconds; 60 to 90 minutes by chance without.
    pub fn set_access_lifetime(&self, lifetime: Option<Duration>) {
        let seconds = lifetime.map(|lifetime| u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX));
        self.shared.tokens().access_seconds = seconds;
    }

    /// Whether a refresh token is good only once from now on. With Entra ID it is good again, and so it is by default.
    pub fn set_strict_rotation(&self, strict: bool) {
        self.shared.tokens().strict = strict;
    }

    /// The address of the interface that says who the bearer of an access token is.
    pub fn graph_url(&self) -> String {
        format!("{}/graph/v1.0/me", self.shared.base)
    }

    /// Signs with a new key from now on; the key set keeps the old ones or drops them.
    ///
    /// # Errors
    ///
    /// When the key cannot be made.
    pub fn rotate_key(&self, keep_old: bool) -> io::Result<()> {
        self.shared.keys.rotate(keep_old).map_err(|_| io::Error::other("no signing key could be made"))
    }

    /// Holds back the next `count` token requests until all of them are there, and answers them together. Among them a code
    /// may come more than once: what a party makes of the answers races then, and not its requests.
    pub fn gather(&self, count: usize) {
        *self.shared.meeting() = Some(Arc::new(Meeting::of(count)));
    }

    /// Keeps what is said at the token endpoint from now on: for tests that search logs and databases for it.
    pub fn keep_secrets(&self) {
        *self.shared.told() = Some(Vec::new());
    }

    /// The values of all fields of token requests and of all members of their answers, since
    /// [`keep_secrets`](RunningIdp::keep_secrets): codes, verifiers, tokens, the client's secret, and what is none.
    pub fn kept_secrets(&self) -> Vec<String> {
        self.shared.told().clone().unwrap_or_default()
    }

    /// Stops listening, waits a moment for requests in flight, and ends.
    pub async fn shutdown(self) {
        let Self { stop, mut server, .. } = self;
        drop(stop);
        if tokio::time::timeout(GRACE, &mut server).await.is_err() {
            server.abort();
        }
    }
}
