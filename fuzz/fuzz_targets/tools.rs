//! What the guard reads of a message (RS tool scopes; the guard and the MCP server behind it must read the same tool out of the
//! same bytes): no message that any reader of JSON could take for a call of a guarded tool passes without its scope, and what
//! passes is handed on byte for byte.
//!
//! Input: the content type, and how the body is cut into frames; then the body.

#![no_main]

use std::cell::{OnceCell, RefCell};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use dcr_core::testing::Person;
use dcr_core::{BearerGuard, InspectedBody, ScopeSet};
use dcr_fuzz::json::Json;
use dcr_fuzz::world::World;
use dcr_fuzz::{bounds, now};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use libfuzzer_sys::{Corpus, fuzz_target};
use tower_layer::Layer as _;
use tower_service::Service;

const TYPES: [Option<&str>; 6] = [
    Some("application/json"),
    Some("application/json; charset=utf-8"),
    None,
    Some("text/plain"),
    Some("application/octet-stream"),
    Some("application/vnd.api+JSON"),
];

/// A body in frames, perhaps with trailers.
struct Frames(VecDeque<Frame<Bytes>>);

impl Frames {
    fn cut(body: &[u8], size: usize, trailers: bool) -> Self {
        let mut frames: VecDeque<_> = match size {
            0 => [Frame::data(Bytes::copy_from_slice(body))].into(),
            size => body.chunks(size).map(|chunk| Frame::data(Bytes::copy_from_slice(chunk))).collect(),
        };
        if trailers {
            frames.push_back(Frame::trailers(HeaderMap::new()));
        }
        Self(frames)
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

/// The server behind the guard: it keeps what it gets.
#[derive(Clone, Default)]
struct Behind(Arc<Mutex<Option<Vec<u8>>>>);

impl Service<Request<InspectedBody<Frames>>> for Behind {
    type Response = Response<Frames>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<InspectedBody<Frames>>) -> Self::Future {
        let mut body = request.into_body();
        let (mut got, mut trailers) = (BytesMut::new(), 0);
        while let Poll::Ready(Some(Ok(frame))) =
            Pin::new(&mut body).poll_frame(&mut Context::from_waker(std::task::Waker::noop()))
        {
            match frame.into_data() {
                Ok(data) => got.extend_from_slice(&data),
                Err(_) => trailers += 1,
            }
        }
        assert!(trailers <= 1);
        *self.0.lock().expect("one thread") = Some(got.to_vec());
        ready(Ok(Response::new(Frames(VecDeque::new()))))
    }
}

/// Whether any reader could take it for a call of `erase`: whichever of two members counts, and in whatever case.
fn could_erase(message: &Json) -> bool {
    if let Json::List(batch) = message {
        return batch.iter().any(could_erase);
    }
    let calls = message.members("method").filter_map(Json::text).any(|method| method.to_lowercase() == "tools/call");
    let names = |params: &Json| match params {
        Json::List(list) => list.iter().filter_map(Json::text).any(|text| text == "erase"),
        params => params.members("name").filter_map(Json::text).any(|name| name == "erase"),
    };
    calls && message.members("params").any(names)
}

struct Guarded {
    guard: BearerGuard<Behind>,
    behind: Behind,
    /// Without the scope that the tool needs.
    token: HeaderValue,
}

impl Guarded {
    fn new() -> Self {
        let world = World::new();
        let scope = |name| ScopeSet::from_names([name]).expect("a scope");
        let ada = now(world.test.sign_in_for_tests(&Person::named("Ada"), Some(&scope("mcp")))).expect("signed in");
        let behind = Behind::default();
        let guard = world.test.guard().tool("erase", scope("mcp:admin")).body_limit(8 * 1024).layer(behind.clone());
        Self { guard, behind, token: ada.authorization() }
    }
}

fn check(Guarded { guard, behind, token }: &mut Guarded, kind: u8, cut: u8, body: &[u8]) {
    let frames = Frames::cut(body, usize::from(cut >> 1) % 40, cut & 1 == 1);
    let mut request = Request::post("/mcp").body(frames).expect("a request");
    request.headers_mut().insert("authorization", token.clone());
    let kind = TYPES[usize::from(kind) % TYPES.len()];
    if let Some(kind) = kind {
        request.headers_mut().insert("content-type", HeaderValue::from_static(kind));
    }
    *behind.0.lock().expect("one thread") = None;
    let Ok(answer) = bounds::within(body.len() * 128 + 256 * 1024, || now(guard.call(request)));
    let got = behind.0.lock().expect("one thread").take();
    let message = Json::read(body);
    match got {
        Some(got) => {
            assert_eq!(got, body, "byte for byte");
            assert!(!message.as_ref().is_some_and(could_erase), "it passed");
            if message.is_none() && kind.is_some_and(|kind| kind.to_lowercase().contains("json")) {
                // What this reader does not read is deeper than it goes, or has text in it that is no UTF-8.
                let deep = body.iter().filter(|byte| matches!(byte, b'[' | b'{')).count() > 100;
                assert!(
                    body.is_empty() || deep || std::str::from_utf8(body).is_err() || has_odd_text(body),
                    "no JSON, and it passed"
                );
            }
        }
        None => {
            let status = answer.status().as_u16();
            assert!([400, 403, 413].contains(&status), "{status}");
            assert!(
                status != 403 || message.is_none_or(|message| could_erase(&message)),
                "no reader finds the tool there"
            );
            assert!(status != 413 || body.len() > 8 * 1024);
        }
    }
}

/// Whether a text in it has an escape that stands for no character, or a number that no machine holds.
fn has_odd_text(body: &[u8]) -> bool {
    body.windows(3).any(|three| three[0] == b'\\' && three[1] == b'u' && matches!(three[2], b'd' | b'D'))
        || body.contains(&b'e')
        || body.contains(&b'E')
}

thread_local! {
    static GUARDED: OnceCell<Rc<RefCell<Guarded>>> = const { OnceCell::new() };
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let [kind, cut, body @ ..] = data else { return Corpus::Reject };
    let guarded = GUARDED.with(|guarded| guarded.get_or_init(|| Rc::new(RefCell::new(Guarded::new()))).clone());
    check(&mut guarded.borrow_mut(), *kind, *cut, body);
    Corpus::Keep
});
