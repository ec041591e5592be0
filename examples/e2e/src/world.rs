//! A server and a provider, on random ports of this machine, that a test has for itself.

use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use dcr_core::DcrEngine;
use dcr_core::store::Counts;
use dcr_dev_idp::{DevIdp, RunningIdp};
use dcr_examples_common::{Example, Options, Settings, Stop};
use tokio::task::JoinHandle;

use crate::site::Site;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// The web frameworks on which a server can run. Every test runs on all of them: the answers must not differ (I-15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Framework {
    /// `examples/axum-server`.
    Axum,
    /// `examples/warp-server`.
    Warp,
}

impl Framework {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Axum, Self::Warp];

    /// Serves until a stop is asked for.
    ///
    /// # Panics
    /// If the server breaks off.
    pub async fn serve(self, example: Example) {
        let served = match self {
            Self::Axum => axum_server::serve(example).await,
            Self::Warp => warp_server::serve(example).await,
        };
        served.expect("a server that stops when it is asked to");
    }
}

/// A provider that looks like Entra ID, a server that signs in against it, and a database file between restarts.
pub struct World {
    idp: RunningIdp,
    options: Options,
    framework: Framework,
    server: Server,
    directory: Directory,
}

/// A server that runs.
struct Server {
    engine: DcrEngine,
    site: Site,
    listening: Site,
    stop: Stop,
    task: JoinHandle<()>,
}

impl World {
    /// A world with the defaults of a newcomer.
    pub async fn start(framework: Framework) -> Self {
        Self::with(framework, |_| {}).await
    }

    /// The same, with the options changed.
    pub async fn with(framework: Framework, change: impl FnOnce(&mut Options)) -> Self {
        Self::behind(framework, DevIdp::builder(), change).await
    }

    /// The same with a provider that is not the usual one.
    pub async fn behind(framework: Framework, idp: DevIdp, change: impl FnOnce(&mut Options)) -> Self {
        let idp = idp.start().await.expect("a provider");
        let directory = Directory::new();
        let mut options = Options {
            bind: Some("127.0.0.1:0".to_owned()),
            database_url: Some(format!("sqlite://{}", directory.path().join("dcr.db").display())),
            azure_tenant_id: Some(idp.tenant_id().to_owned()),
            azure_client_id: Some(idp.client_id().to_owned()),
            azure_client_secret: Some(idp.client_secret().to_owned()),
            azure_authority: Some(idp.issuer()),
            // Tests ask nobody on the internet.
            cimd: Some("off".to_owned()),
            // Tests ask more often than a person does.
            limits: Some("off".to_owned()),
            ..Options::default()
        };
        change(&mut options);
        let server = start(framework, &mut options).await;
        Self { idp, options, framework, server, directory }
    }

    /// Stops the server as SIGTERM does, and starts it again on its port with its database.
    pub async fn restart(self) -> Self {
        self.stop().await.start().await
    }

    /// Stops the server as SIGTERM does.
    pub async fn stop(self) -> Stopped {
        let Self { idp, options, framework, server, directory } = self;
        server.stop.request();
        server.task.await.expect("a server that ends well");
        Stopped { options, idp, framework, directory }
    }

    /// The provider.
    pub const fn idp(&self) -> &RunningIdp {
        &self.idp
    }

    /// The engine of the server, for what operators do and for a look at what is kept.
    pub const fn engine(&self) -> &DcrEngine {
        &self.server.engine
    }

    /// How much is kept.
    pub async fn counts(&self) -> Counts {
        self.engine().store().counts().await.expect("a store that answers")
    }

    /// Where the server listens, for a public URL that something in front of it would answer.
    pub const fn listening(&self) -> &Site {
        &self.server.listening
    }

    /// The directory with the database.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

/// A world whose server is down.
pub struct Stopped {
    /// What it will be started with.
    pub options: Options,
    idp: RunningIdp,
    framework: Framework,
    directory: Directory,
}

impl Stopped {
    /// Starts the server again, on its port with its database.
    pub async fn start(self) -> World {
        let Self { mut options, idp, framework, directory } = self;
        let server = start(framework, &mut options).await;
        World { idp, options, framework, server, directory }
    }
}

impl Deref for World {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.server.site
    }
}

/// Starts a server and pins its port, so that it comes back there.
async fn start(framework: Framework, options: &mut Options) -> Server {
    let settings = Settings::check(options.clone()).expect("the options of a test");
    let example = Example::start(settings).await.expect("a server that starts");
    let address: SocketAddr = example.listener.local_addr().expect("an address");
    options.bind = Some(address.to_string());
    Server {
        engine: example.engine.clone(),
        site: Site::at(example.engine.issuer()),
        listening: Site::at(&format!("http://{address}")),
        stop: example.stop.clone(),
        task: tokio::spawn(framework.serve(example)),
    }
}

/// A directory of its own, removed in the end.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Default for Directory {
    fn default() -> Self {
        Self::new()
    }
}

impl Directory {
    /// A new one.
    pub fn new() -> Self {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("dcr-e2e-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // A leftover in the system's temporary directory is no reason to fail a test.
        let _: std::io::Result<()> = std::fs::remove_dir_all(&self.0);
    }
}
