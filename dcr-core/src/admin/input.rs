//! Parameters, cursors and bodies, read strictly: what is unknown, repeated or malformed is refused (I-13).

use std::str::FromStr;

use ::http::HeaderMap;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use crate::client::{ClientId, Platform};
use crate::clock::Timestamp;
use crate::http::is_json;
use crate::seal::{b64, unb64};

/// The largest page, and the one that is given if nothing is said.
const LARGEST: u32 = 200;
const USUAL: u32 = 50;
/// More text than any parameter or reason has, but for a client id.
const LONGEST: usize = 320;

/// The parameters of a query.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Those that are named in `known`, each at most once, with a value.
    pub(super) fn read(query: &str, known: &[&str]) -> Result<Self, Problem> {
        let mut read: Vec<(String, String)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name)?, decoded(value)?);
            if !known.contains(&name.as_str()) {
                return Err(Problem::parameter(&name, "there is no such parameter here"));
            }
            if read.iter().any(|(other, _)| *other == name) {
                return Err(Problem::parameter(&name, "it may come once"));
            }
            if value.is_empty() || value.chars().any(char::is_control) {
                return Err(Problem::parameter(&name, "it must have a value, without control characters"));
            }
            read.push((name, value));
        }
        Ok(Self(read))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Text.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Problem> {
        match self.get(name) {
            Some(text) if text.chars().count() > LONGEST => Err(Problem::parameter(name, "it is too long")),
            text => Ok(text.map(str::to_owned)),
        }
    }

    /// An id, a time, or whatever else has one form.
    pub(super) fn parsed<T: FromStr>(&self, name: &str) -> Result<Option<T>, Problem> {
        let parse =
            |text: &str| text.parse().map_err(|_| Problem::parameter(name, "it is not of the form that it must have"));
        self.get(name).map(parse).transpose()
    }

    pub(super) fn client_id(&self, name: &str) -> Result<Option<ClientId>, Problem> {
        self.get(name).map(|id| client_id(id).map_err(|why| Problem::parameter(name, &why))).transpose()
    }

    /// One of a few names.
    pub(super) fn named<T>(&self, name: &str, known: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Problem> {
        let find = |text: &str| known(text).ok_or_else(|| Problem::parameter(name, "it has no such value"));
        self.get(name).map(find).transpose()
    }

    pub(super) fn platform(&self, name: &str) -> Result<Option<Platform>, Problem> {
        Ok(self.text(name)?.as_deref().map(Platform::named))
    }

    /// How many there are on a page: 1 to 200, whatever is asked for (OP-3).
    pub(super) fn limit(&self) -> Result<u32, Problem> {
        let wrong = || Problem::parameter("limit", "it must be a whole number, and not negative");
        match self.get("limit") {
            None => Ok(USUAL),
            Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => {
                // More digits than a number has are as large as the largest.
                Ok(text.parse().unwrap_or(LARGEST).clamp(1, LARGEST))
            }
            Some(_) => Err(wrong()),
        }
    }

    /// Where the page before ended.
    pub(super) fn cursor<T: DeserializeOwned>(&self, of: &str) -> Result<Option<T>, Problem> {
        self.get("cursor").map(|text| open(of, text).ok_or_else(Problem::cursor)).transpose()
    }

    pub(super) fn since(&self) -> Result<Option<Timestamp>, Problem> {
        self.parsed("since")
    }

    pub(super) fn until(&self) -> Result<Option<Timestamp>, Problem> {
        self.parsed("until")
    }
}

fn decoded(text: &str) -> Result<String, Problem> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().map(std::borrow::Cow::into_owned);
    decoded.map_err(|_| Problem::query("The query is not UTF-8."))
}

/// For what takes none.
pub(super) fn no_parameters(query: &str) -> Result<(), Problem> {
    Query::read(query, &[]).map(|_| ())
}

/// A cursor: opaque text that says of which list it is, and where in it. Nothing secret, so it is not sealed.
pub(super) fn cursor(of: &str, at: &impl Serialize) -> String {
    b64(serde_json::to_string(&(of, at)).unwrap_or_default().as_bytes())
}

fn open<T: DeserializeOwned>(of: &str, text: &str) -> Option<T> {
    let (list, at): (String, T) = serde_json::from_slice(&unb64(text.as_bytes())?).ok()?;
    (list == of).then_some(at)
}

fn client_id(text: &str) -> Result<ClientId, String> {
    ClientId::new(text).map_err(|error| error.to_string())
}

/// The body of a change, if it says that it is JSON.
pub(super) fn json_body<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<&'a [u8], Problem> {
    if is_json(headers) { Ok(body) } else { Err(Problem::media_type()) }
}

/// Why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Why {
    reason: String,
}

/// Which client id, and why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfClient {
    client_id: String,
    reason: String,
}

/// Which platform, and why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfPlatform {
    platform: String,
    reason: String,
}

/// Which client, as in a file, and why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfPin {
    pub(super) client: serde_json::Map<String, serde_json::Value>,
    reason: String,
}

impl Why {
    pub(super) fn read(body: &[u8]) -> Result<String, Problem> {
        checked(from_json::<Self>(body)?.reason)
    }
}

impl OfClient {
    pub(super) fn read(body: &[u8]) -> Result<(ClientId, String), Problem> {
        let Self { client_id: id, reason } = from_json(body)?;
        let id = client_id(&id).map_err(|why| Problem::body(&format!("client_id: {why}")))?;
        Ok((id, checked(reason)?))
    }
}

impl OfPlatform {
    pub(super) fn read(body: &[u8]) -> Result<(Platform, String), Problem> {
        let Self { platform, reason } = from_json(body)?;
        let plain = |b: u8| (0x21..=0x7e).contains(&b);
        if platform.is_empty() || platform.len() > 100 || !platform.bytes().all(plain) {
            return Err(Problem::body("platform: 1 to 100 visible ASCII characters"));
        }
        Ok((Platform::named(&platform), checked(reason)?))
    }
}

impl OfPin {
    pub(super) fn read(body: &[u8]) -> Result<(Self, String), Problem> {
        let pin: Self = from_json(body)?;
        let reason = checked(pin.reason.clone())?;
        Ok((pin, reason))
    }
}

fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| Problem::body(&format!("the body does not fit: {error}")))
}

/// A reason is kept on the record and shown: one line that says something.
pub(crate) fn checked(reason: String) -> Result<String, Problem> {
    let is_short = (1..=200).contains(&reason.chars().count());
    if is_short && !reason.chars().any(char::is_control) && !reason.trim().is_empty() {
        Ok(reason)
    } else {
        Err(Problem::body("reason: 1 to 200 characters, none of them a control character, and not all of them spaces"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i_13_what_is_unknown_repeated_or_malformed_is_refused() {
        let known = &["q", "limit", "cursor", "since"];
        let query = Query::read("q=a+b%26c&limit=7", known).unwrap();
        assert_eq!(query.text("q").unwrap().as_deref(), Some("a b&c"));
        for wrong in ["x=1", "q=a&q=b", "q=", "q", "q=%ff", "q=%00", "q=a%0ab", "Q=a", "q%3d=1", "limit=1&%6cimit=2"] {
            assert!(Query::read(wrong, known).is_err(), "{wrong}");
        }
        let long = format!("q={}", "x".repeat(LONGEST + 1));
        assert!(Query::read(&long, known).unwrap().text("q").is_err());
        assert!(Query::read("since=yesterday", known).unwrap().since().is_err());
    }

    #[test]
    fn op_03_sizes_are_clamped() {
        let limit = |text: &str| Query::read(text, &["limit"]).unwrap().limit().ok();
        for (text, expected) in [
            ("", Some(USUAL)),
            ("limit=0", Some(1)),
            ("limit=200", Some(200)),
            ("limit=201", Some(200)),
            ("limit=99999999999999999999", Some(200)),
            ("limit=-1", None),
            ("limit=1.0", None),
            ("limit=%2B1", None),
            ("limit=many", None),
        ] {
            assert_eq!(limit(text), expected, "{text}");
        }
    }

    #[test]
    fn a_cursor_is_of_one_list() {
        let text = cursor("users", &"usr_x");
        assert_eq!(open::<String>("users", &text).as_deref(), Some("usr_x"));
        assert_eq!(open::<String>("events", &text), None);
        assert_eq!(open::<(i64, String)>("users", &text), None);
        for wrong in ["", "x", "%", &format!("{text}="), &text.to_uppercase()] {
            assert_eq!(open::<String>("users", wrong), None, "{wrong}");
        }
    }

    #[test]
    fn bodies_have_what_they_must_have_and_nothing_else() {
        assert_eq!(Why::read(br#"{"reason":"left"}"#).unwrap(), "left");
        for wrong in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"reason":1}"#,
            r#"{"reason":""}"#,
            r#"{"reason":"  "}"#,
            r#"{"reason":"a\nb"}"#,
            r#"{"reason":"a","reason":"b"}"#,
            r#"{"reason":"a","force":true}"#,
            r#"{"reason":"a"} x"#,
        ] {
            assert!(Why::read(wrong.as_bytes()).is_err(), "{wrong}");
        }
        let long = format!(r#"{{"reason":"{}"}}"#, "x".repeat(201));
        assert!(Why::read(long.as_bytes()).is_err());
        for wrong in ["usr_x", "a b", ""] {
            let body = format!(r#"{{"client_id":"{wrong}","reason":"a"}}"#);
            assert!(OfClient::read(body.as_bytes()).is_err(), "{wrong}");
        }
    }
}
