//! A proxy between store and server that loses what passes through it, as networks do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::Url;

use crate::servers::Database;

#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    /// Of connections with a smaller number nothing passes any more, and neither side hears of it.
    silent_below: AtomicU64,
    /// New connections are closed at once.
    refusing: AtomicBool,
    /// Connections with a smaller number end.
    ended_below: watch::Sender<u64>,
    /// After a text was seen and so many answers, this happens in place of the next one.
    fate: std::sync::Mutex<Option<(&'static [u8], u32, Fate)>>,
    next: AtomicU64,
}

/// What happens to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Both ends hear of it.
    Cut,
    /// Nothing passes any more, and neither end hears of it.
    Silence,
}

impl Proxy {
    pub(crate) async fn to(database: &Database) -> Self {
        let address = database.address();
        let server = (address.host_str().unwrap().to_owned(), address.port().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            silent_below: AtomicU64::new(0),
            refusing: AtomicBool::new(false),
            ended_below: watch::Sender::new(0),
            fate: std::sync::Mutex::new(None),
            next: AtomicU64::new(0),
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                if shared.refusing.load(Ordering::SeqCst) {
                    continue;
                }
                let number = shared.next.fetch_add(1, Ordering::SeqCst);
                let (state, server) = (Arc::clone(&shared), server.clone());
                tokio::spawn(async move {
                    let server = TcpStream::connect(server).await.unwrap();
                    forward(&state, number, client, server).await;
                });
            }
        });
        Self { port, state }
    }

    /// The database's URL through here, without TLS.
    pub(crate) fn url(&self, database: &Database) -> String {
        let mut url: Url = database.address();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(self.port)).unwrap();
        url.set_query(Some(if database.kind().is_mysql() { "ssl-mode=DISABLED" } else { "sslmode=disable" }));
        url.into()
    }

    /// From now on nothing of the connections there are passes any more; new ones are none the worse.
    pub(crate) fn silence_existing(&self) {
        self.state.silent_below.store(self.state.next.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// The same for those to come.
    pub(crate) fn silence_all(&self) {
        self.state.silent_below.store(u64::MAX, Ordering::SeqCst);
    }

    /// Ends every connection and refuses new ones.
    pub(crate) fn refuse(&self) {
        self.state.refusing.store(true, Ordering::SeqCst);
        self.state.ended_below.send_replace(self.state.next.load(Ordering::SeqCst));
    }

    /// New connections pass again.
    pub(crate) fn recover(&self) {
        self.state.refusing.store(false, Ordering::SeqCst);
        self.silence_existing();
    }

    /// The next time that `text` passes to the server: cuts the connection in place of the answer after `answers` more.
    pub(crate) fn cut_after(&self, text: &'static str, answers: u32) {
        *self.state.fate.lock().unwrap() = Some((text.as_bytes(), answers, Fate::Cut));
    }

    /// The same, and of that connection nothing passes from then on.
    pub(crate) fn silence_after(&self, text: &'static str, answers: u32) {
        *self.state.fate.lock().unwrap() = Some((text.as_bytes(), answers, Fate::Silence));
    }

    /// Whether that has happened.
    pub(crate) fn has_happened(&self) -> bool {
        self.state.fate.lock().unwrap().is_none()
    }
}

async fn forward(state: &State, number: u64, mut client: TcpStream, mut server: TcpStream) {
    let (mut request, mut answer) = ([0; 65_536], [0; 65_536]);
    let mut ended = state.ended_below.subscribe();
    let mut fate_in: Option<(u32, Fate)> = None;
    let mut silent = false;
    loop {
        tokio::select! {
            n = client.read(&mut request) => {
                let Ok(n @ 1..) = n else { return };
                if silent || number < state.silent_below.load(Ordering::SeqCst) {
                    continue;
                }
                if let Some((text, answers, fate)) = *state.fate.lock().unwrap()
                    && request[..n].windows(text.len()).any(|window| window == text)
                {
                    fate_in = Some((answers, fate));
                }
                if server.write_all(&request[..n]).await.is_err() { return }
            }
            n = server.read(&mut answer) => {
                let Ok(n @ 1..) = n else { return };
                if silent || number < state.silent_below.load(Ordering::SeqCst) {
                    continue;
                }
                match &mut fate_in {
                    Some((0, fate)) => {
                        *state.fate.lock().unwrap() = None;
                        if *fate == Fate::Cut { return }
                        silent = true;
                        continue;
                    }
                    Some((left, _)) => *left -= 1,
                    None => {}
                }
                if client.write_all(&answer[..n]).await.is_err() { return }
            }
            () = async { drop(ended.wait_for(|below| number < *below).await) } => return,
        }
    }
}
