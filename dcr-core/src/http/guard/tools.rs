//! Which tools the body of a request calls, so that the guard can demand what they need.
//!
//! The guard and the MCP server behind it must read the same tool out of the same bytes. So nothing is taken from headers:
//! the `Mcp-Method` and `Mcp-Name` of the 2026-07-28 revision only repeat the body, and whoever sends one can send them
//! wrong. And nothing is guessed: a message in which another JSON parser could find another method or name (a key twice or
//! in another case, parameters in an array, something after the end, an encoding) is refused.

use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;

use ::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use ::http::{HeaderMap, Method};
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::body::InspectedBody;
use crate::error::Reason;
use crate::oauth::ScopeSet;

/// As much as rmcp takes of a message.
const DEFAULT_LIMIT: usize = 4 * 1024 * 1024;

/// What tools need.
#[derive(Debug, Clone)]
pub(super) struct ToolRules {
    needed: BTreeMap<String, ScopeSet>,
    /// What all of them need together.
    all: ScopeSet,
    limit: usize,
}

impl Default for ToolRules {
    fn default() -> Self {
        Self { needed: BTreeMap::new(), all: ScopeSet::default(), limit: DEFAULT_LIMIT }
    }
}

impl ToolRules {
    pub(super) fn add(&mut self, tool: String, needed: &ScopeSet) {
        self.all = self.all.union(needed);
        let entry = self.needed.entry(tool).or_default();
        *entry = entry.union(needed);
    }

    pub(super) const fn set_limit(&mut self, bytes: usize) {
        self.limit = bytes;
    }

    /// What all tools need together: whoever has it may call what the body calls, whatever that is.
    pub(super) const fn all(&self) -> &ScopeSet {
        &self.all
    }

    /// Reads `body` as far as it takes to know which tools it calls; or why that cannot be known. The body that is answered is
    /// the one that came, byte for byte.
    pub(super) async fn inspect<B>(
        &self,
        method: &Method,
        headers: &HeaderMap,
        mut body: B,
    ) -> Result<(InspectedBody<B>, Vec<String>), Reason>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        // Messages come by POST and by nothing else (Streamable HTTP, all revisions).
        if method != Method::POST {
            return Ok((InspectedBody::unread(body), Vec::new()));
        }
        if headers.get_all(CONTENT_ENCODING).iter().any(|encoding| encoding != "identity") {
            return Err(Reason::MediaType);
        }
        let claims_json = claims_json(headers);
        // Joined as it comes: a body in a thousand small frames costs no more than in one.
        let (mut data, mut trailers) = (BytesMut::new(), Vec::new());
        let mut may_be_message = claims_json.then_some(true);
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            match frame.map_err(|_| Reason::BodyIncomplete)?.into_data() {
                Ok(more) => {
                    if data.len().saturating_add(more.len()) > self.limit {
                        return Err(Reason::BodyTooLarge);
                    }
                    may_be_message = may_be_message.or_else(|| begins(&more).map(opens));
                    data.extend_from_slice(&more);
                }
                // A body has one at most, at its end.
                Err(_) if !trailers.is_empty() => return Err(Reason::BodyIncomplete),
                Err(frame) => trailers.push(frame),
            }
            // What does not begin like a message is none, under whatever name a server takes it: an upload, a form.
            if may_be_message == Some(false) {
                let read = std::iter::once(Frame::data(data.freeze())).chain(trailers).collect();
                return Ok((InspectedBody::new(read, Some(body)), Vec::new()));
            }
        }
        let data = data.freeze();
        let called = match data.is_empty() {
            true => Vec::new(),
            false => tools_called(&data).ok_or(Reason::ToolCallUnclear)?,
        };
        let read = Some(data).filter(|data| !data.is_empty()).map(Frame::data).into_iter().chain(trailers).collect();
        Ok((InspectedBody::new(read, None), called))
    }

    /// What calling these takes.
    pub(super) fn needed_by(&self, tools: &[String]) -> ScopeSet {
        tools
            .iter()
            .filter_map(|tool| self.needed.get(tool))
            .fold(ScopeSet::default(), |needed, more| needed.union(more))
    }
}

/// Whether the body may be taken for JSON because the request says so, or does not clearly say otherwise.
fn claims_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    match (types.next(), types.next()) {
        (Some(one), None) => one.to_str().map_or(true, |text| text.to_ascii_lowercase().contains("json")),
        _ => true,
    }
}

/// The first byte that is not white space of JSON.
fn begins(data: &[u8]) -> Option<u8> {
    data.iter().copied().find(|b| !matches!(b, b' ' | b'\t' | b'\n' | b'\r'))
}

/// Whether a message may begin with it: an object, a batch, or either after a byte order mark.
const fn opens(byte: u8) -> bool {
    matches!(byte, b'{' | b'[' | 0xef | 0xfe | 0xff | 0)
}

/// The tools that a JSON-RPC message or batch calls, in order; nothing if it can be read in more than one way.
fn tools_called(body: &[u8]) -> Option<Vec<String>> {
    serde_json::from_slice(body).ok().map(|Messages(tools)| tools)
}

/// One message, or a batch of them (2025-03-26).
struct Messages(Vec<String>);

impl<'de> Deserialize<'de> for Messages {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Messages;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON-RPC message or a batch")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Messages, A::Error> {
                Ok(Messages(OneMessage.visit_map(map)?.into_iter().collect()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut batch: A) -> Result<Messages, A::Error> {
                let mut tools = Vec::new();
                while let Some(tool) = batch.next_element_seed(OneMessage)? {
                    tools.extend(tool);
                }
                Ok(Messages(tools))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// Reads one message: the tool that it calls, if it calls one.
struct OneMessage;

impl<'de> DeserializeSeed<'de> for OneMessage {
    type Value = Option<String>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Option<String>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneMessage {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON-RPC message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<String>, A::Error> {
        let (mut method, mut params) = (None::<String>, None::<Params>);
        while let Some(key) = map.next_key::<String>()? {
            match known(&key, ["method", "params"]) {
                Key::Is("method") => once(&mut method, map.next_value()?)?,
                Key::Is(_) => once(&mut params, map.next_value()?)?,
                Key::Resembles => return Err(A::Error::custom("a key in another case")),
                Key::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        match (method, params) {
            // In any case: a server that folds it would call a tool.
            (Some(method), params) if method.eq_ignore_ascii_case("tools/call") => match params {
                Some(Params::Naming(tool)) => Ok(Some(tool)),
                _ => Err(A::Error::custom("a call that does not name its tool")),
            },
            _ => Ok(None),
        }
    }
}

/// What `params` says of a tool.
enum Params {
    Naming(String),
    /// No name, more than one, or no object.
    Unclear,
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Params;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("parameters")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Params, A::Error> {
                let mut found = None;
                let mut clear = true;
                while let Some(key) = map.next_key::<String>()? {
                    match known(&key, ["name"]) {
                        Key::Is(_) => {
                            let value = map.next_value::<Value>()?;
                            clear &= found.replace(value).is_none();
                        }
                        kind => {
                            clear &= matches!(kind, Key::Other);
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(match found {
                    Some(Value::String(name)) if clear => Params::Naming(name),
                    _ => Params::Unclear,
                })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Params, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Params::Unclear)
            }

            fn visit_unit<E>(self) -> Result<Params, E> {
                Ok(Params::Unclear)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

enum Key {
    Is(&'static str),
    /// Only a parser that folds cases takes it for one.
    Resembles,
    Other,
}

fn known<const N: usize>(key: &str, names: [&'static str; N]) -> Key {
    // The one letter outside of ASCII that folds to one of theirs: the long s.
    let folded = key.replace('\u{17f}', "s");
    match names.into_iter().find(|name| folded.eq_ignore_ascii_case(name)) {
        Some(name) if name == key => Key::Is(name),
        Some(_) => Key::Resembles,
        None => Key::Other,
    }
}

fn once<T, E: serde::de::Error>(slot: &mut Option<T>, value: T) -> Result<(), E> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::custom("a key that comes twice")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(body: &str) -> Option<String> {
        tools_called(body.as_bytes()).map(|tools| tools.join(" "))
    }

    #[test]
    fn a_call_names_its_tool_wherever_the_keys_stand_and_however_they_are_escaped() {
        for (body, tools) in [
            (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"erase","arguments":{}}}"#, "erase"),
            (r#"{"params":{"arguments":{"name":"add"},"name":"erase"},"method":"tools/call"}"#, "erase"),
            (r#"{"m\u0065thod":"tools\/call","par\u0061ms":{"n\u0061me":"er\u0061se"}}"#, "erase"),
            (r#"{"method":"TOOLS/CALL","params":{"name":"erase"}}"#, "erase"),
            (
                r#" [{"method":"tools/call","params":{"name":"a"}}, {"method":"ping"}, {"method":"tools/call","params":{"name":"b"}}] "#,
                "a b",
            ),
            (r#"{"method":"tools/list"}"#, ""),
            (r#"{"method":"prompts/get","params":{"name":"erase","Name":1}}"#, ""),
            (r#"{"method":"x","params":["erase"]}"#, ""),
            (r#"{"jsonrpc":"2.0","id":1,"result":{"method":"tools/call","params":{"name":"erase"}}}"#, ""),
            ("[]", ""),
        ] {
            assert_eq!(called(body).as_deref(), Some(tools), "{body}");
        }
    }

    #[test]
    fn what_another_parser_could_read_otherwise_is_refused() {
        for body in [
            // Twice: the first or the last counts, depending on the parser.
            r#"{"method":"ping","method":"tools/call","params":{"name":"erase"}}"#,
            r#"{"method":"tools/call","params":{"name":"add"},"params":{"name":"erase"}}"#,
            r#"{"method":"tools/call","params":{"name":"add","name":"erase"}}"#,
            r#"{"method":"tools/call","params":{"name":"add","n\u0061me":"erase"}}"#,
            // In another case.
            r#"{"Method":"tools/call","params":{"name":"erase"}}"#,
            r#"{"method":"ping","METHOD":"tools/call","params":{"name":"erase"}}"#,
            r#"{"method":"tools/call","Params":{"name":"erase"}}"#,
            r#"{"method":"tools/call","params":{"name":"add"},"param\u017f":{"name":"erase"}}"#,
            r#"{"method":"tools/call","params":{"name":"add","Name":"erase"}}"#,
            // No name, or not a text.
            r#"{"method":"tools/call"}"#,
            r#"{"method":"tools/call","params":{}}"#,
            r#"{"method":"tools/call","params":null}"#,
            r#"{"method":"tools/call","params":{"name":["erase"]}}"#,
            // rmcp's structs would be read from an array as well.
            r#"{"method":"tools/call","params":["erase",{}]}"#,
            r#"{"method":["tools/call"],"params":{"name":"erase"}}"#,
            // A batch holds messages only.
            r#"[[{"method":"tools/call","params":{"name":"erase"}}]]"#,
            r#"[1]"#,
            // Not JSON, not JSON alone, or JSON of a lenient parser.
            "",
            "1",
            "\"tools/call\"",
            r#"{"method":"ping"}{"method":"tools/call","params":{"name":"erase"}}"#,
            r#"{"method":"ping",}"#,
            r#"{/* */"method":"tools/call","params":{"name":"erase"}}"#,
            r#"{method:"tools/call",params:{name:"erase"}}"#,
            r#"{"method":'tools/call'}"#,
            "\u{feff}{\"method\":\"ping\"}",
            r#"{"m\ud800ethod":1}"#,
        ] {
            assert_eq!(called(body), None, "{body}");
        }
        let utf_16: Vec<u8> = "{\"method\":\"ping\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(tools_called(&utf_16), None);
        assert_eq!(tools_called(b"{\"method\":\"\xff\"}"), None);
    }

    #[test]
    fn many_levels_are_no_trouble() {
        let deep = format!(r#"{{"method":"ping","x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(called(&deep).as_deref(), Some(""));
    }
}
