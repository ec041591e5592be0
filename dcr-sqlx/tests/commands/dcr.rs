//! The `dcr` command as a process, and a database to run it on.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dcr_core::record::{Event, EventKind};
use dcr_core::session::{CodeChallenge, ConnectionId, EventId, Generation, Session, SessionId, User, UserId};
use dcr_core::store::{SignIn, SignedIn, Store};
use dcr_core::upstream::{Groups, Roles};
use dcr_core::{AuthMethod, ClientId, Clock as _, Platform, Provenance, ScopeSet, SoftwareKey, SystemClock, Timestamp};
use serde_json::Value;

pub(crate) const TENANT: &str = "3f2a9c1e-5b7d-4e8f-9a60-1c2d3e4f5a6b";
pub(crate) const ISSUER: &str = "https://login.microsoftonline.com/3f2a9c1e-5b7d-4e8f-9a60-1c2d3e4f5a6b/v2.0";

static NEXT: AtomicU64 = AtomicU64::new(1);

/// A directory that goes with whoever holds it.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("dcr-commands-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The command, on one database, in a directory of its own.
#[derive(Debug, Clone)]
pub(crate) struct Dcr {
    url: String,
    directory: Arc<Scratch>,
    variables: Vec<(&'static str, String)>,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Dcr {
    pub(crate) fn on(url: &str) -> Self {
        Self { url: url.to_owned(), directory: Arc::new(Scratch::new()), variables: Vec::new() }
    }

    pub(crate) fn with(&self, name: &'static str, value: &str) -> Self {
        let mut with = self.clone();
        with.variables.push((name, value.to_owned()));
        with
    }

    /// The path of a file in its directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.file(name)
    }

    pub(crate) async fn store(&self) -> Arc<dyn Store> {
        dcr_sqlx::connect(&self.url).await.unwrap()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dcr"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DCR_")) {
            command.env_remove(name);
        }
        command.env("DCR_DATABASE_URL", &self.url).envs(self.variables.iter().map(|(name, value)| (name, value)));
        let output = command.current_dir(&self.directory.0).stdin(Stdio::null()).args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ended { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// What it prints when all goes well.
    #[track_caller]
    pub(crate) fn prints(&self, arguments: &[&str]) -> String {
        let Ended { code, out, err } = self.run(arguments);
        assert_eq!(code, 0, "{arguments:?}\n{out}{err}");
        out
    }

    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.prints(arguments)).unwrap()
    }

    /// How it refuses.
    #[track_caller]
    pub(crate) fn refuses(&self, arguments: &[&str], code: i32, why: &str) {
        let ended = self.run(arguments);
        assert_eq!(ended.code, code, "{arguments:?}: {ended:?}");
        assert!(ended.err.contains(why), "{arguments:?}: {ended:?}");
        assert_eq!(ended.out, "");
    }
}

pub(crate) fn person(name: &str) -> User {
    let object_id = format!("00000000-0000-4000-8000-{:0>12}", name.bytes().map(u64::from).sum::<u64>());
    User {
        id: UserId::derive(ISSUER, TENANT, &object_id),
        issuer: ISSUER.to_owned(),
        tenant: TENANT.to_owned(),
        object_id,
        name: Some(format!("{name} Example")),
        email: Some(format!("{name}@dev.example")),
        groups: Groups::Unsaid,
        roles: Roles::default(),
    }
}

/// A number that no other row of this process has.
fn fresh() -> [u8; 16] {
    let mut id = [0x5a; 16];
    id[8..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    id
}

/// A sign-in some time ago, alive for an hour from then on.
pub(crate) async fn sign_in(store: &dyn Store, user: &User, platform: &str, client_id: &str, ago: Duration) -> Session {
    let now = SystemClock.now() - ago;
    let session = Session {
        id: SessionId::from_bytes(fresh()),
        user: user.id.clone(),
        connection: ConnectionId::from_bytes(fresh()),
        client_id: ClientId::new(client_id).unwrap(),
        provenance: Provenance::Sealed,
        platform: Platform::named(platform),
        auth_method: AuthMethod::None,
        adopted_secret: None,
        redirect_uri: "http://localhost/callback".to_owned(),
        code_challenge: CodeChallenge::from_bytes([0x13; 32]),
        resource: "https://mcp.example/mcp".to_owned(),
        scope: ScopeSet::parse_lossy("mcp"),
        refreshable: true,
        generation: Generation::CODE,
        created_at: now,
        redeemed_at: None,
        advanced_at: now,
        expires_at: now + Duration::from_secs(3_600),
        absolute_expires_at: now + Duration::from_secs(36_000),
        ended: None,
    };
    let mut event = Event::new(EventId::from_bytes(fresh()), now, EventKind::SignedIn);
    (event.user, event.session) = (Some(user.id.clone()), Some(session.id));
    let signed_in = store
        .sign_in(SignIn {
            user: user.clone(),
            software: SoftwareKey::from_stored(format!("platform:{platform}")),
            new_connection: session.connection,
            session: session.clone(),
            max_sessions: 100_000,
            max_aliases: 100_000,
            event,
            evictions: Vec::new(),
            upstream_token: None,
            now,
        })
        .await
        .unwrap();
    match signed_in {
        SignedIn::Done { connection, .. } => Session { connection, ..session },
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn is_alive(store: &dyn Store, session: &Session) -> bool {
    let now: Timestamp = SystemClock.now();
    store.session(session.id).await.unwrap().is_some_and(|view| view.session.is_alive(now))
}
