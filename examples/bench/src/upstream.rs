//! The company login, in the process of the load: the development provider on a thread of its own.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use clap::ValueEnum;
use dcr_dev_idp::{Algorithm, DevIdp, User};
use tokio::sync::oneshot;

use crate::Failure;

/// So many people sign in, in turn.
pub const PEOPLE: usize = 1_000;

/// How ID tokens are signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum Signing {
    /// RSA with 2,048 bits, as Entra ID does. Each signature takes about half a millisecond of the machine's time, which is
    /// more than the server needs for the whole sign-in.
    Rs256,
    /// P-256, which takes a few microseconds: the load stays out of the way.
    #[default]
    Es256,
}

/// A provider that serves until it is dropped.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    variables: Vec<(&'static str, String)>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Upstream {
    /// Starts one; port 0 takes a free one.
    ///
    /// # Errors
    /// [`Failure`] if it cannot listen there.
    pub fn start(bind: SocketAddr, signing: Signing) -> Result<Self, Failure> {
        let (started, start) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let serve = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async move {
                let idp = match provider(signing).bind(bind).start().await {
                    Ok(idp) => idp,
                    Err(error) => return drop(started.send(Err(error.to_string()))),
                };
                let variables = vec![
                    ("DCR_AZURE_TENANT_ID", idp.tenant_id().to_owned()),
                    ("DCR_AZURE_CLIENT_ID", idp.client_id().to_owned()),
                    ("DCR_AZURE_CLIENT_SECRET", idp.client_secret().to_owned()),
                    ("DCR_AZURE_AUTHORITY", idp.issuer()),
                ];
                // Whoever started it may be gone: then nobody holds the other end, and it stops.
                drop(started.send(Ok((idp.issuer(), variables))));
                let _: Result<(), oneshot::error::RecvError> = stopped.await;
                drop(idp);
            });
        };
        let thread = thread::Builder::new().name("upstream".to_owned()).spawn(serve);
        let thread = thread.map_err(|error| Failure::at("the upstream provider", error))?;
        let started = start.recv().map_err(|error| Failure::at("the upstream provider", error))?;
        let (issuer, variables) = started.map_err(|error| Failure::at("the upstream provider", error))?;
        let address = issuer.trim_start_matches("http://").parse();
        let address = address.map_err(|error| Failure::at(issuer, error))?;
        Ok(Self { address, variables, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The variables of an example server that signs people in here.
    #[must_use]
    pub fn variables(&self) -> &[(&'static str, String)] {
        &self.variables
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A provider that panicked has said so.
            let _: thread::Result<()> = thread.join();
        }
    }
}

/// The provider: with [`PEOPLE`], and codes that are forgotten as early as it allows.
pub fn provider(signing: Signing) -> DevIdp {
    let users = (0..PEOPLE)
        .map(|n| User::new(person(n), format!("Person {n}"), format!("{n:08x}-0000-4000-8000-000000000000")));
    let algorithm = match signing {
        Signing::Rs256 => Algorithm::Rs256,
        Signing::Es256 => Algorithm::Es256,
    };
    DevIdp::builder().users(users).algorithm(algorithm).code_lifetime(Duration::from_secs(60))
}

/// The name by which the provider knows one of [`PEOPLE`].
#[must_use]
pub fn person(n: usize) -> String {
    format!("p{}", n % PEOPLE)
}
