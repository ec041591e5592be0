//! Signed tokens piece by piece, each piece right or wrong in a way that is known: so that it is known, without reading the
//! token, whether it may be accepted.

use arbitrary::Arbitrary;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What a member is that should be a text.
#[derive(Debug, Clone, Arbitrary)]
pub enum Text {
    Right,
    Absent,
    Null,
    Int(i32),
    Bool(bool),
    Other(String),
    Longer(char),
    Cut,
    Upper,
    ListOfRight,
    Object,
    Twice,
}

/// What a member is that should be a time.
#[derive(Debug, Clone, Arbitrary)]
pub enum Time {
    Right,
    Absent,
    Null,
    /// So many seconds from now.
    FromNow(i16),
    Int(i64),
    AsText(i64),
    Fraction(i16),
    /// 1e400, 1e3, 2^63, -0.0
    Odd(u8),
    ListOfRight,
    Twice,
}

/// What `aud` is.
#[derive(Debug, Clone, Arbitrary)]
pub enum Audience {
    One(Text),
    /// Right or something else.
    Several(Vec<bool>),
    Mixed,
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl Text {
    /// The text, if it is one and comes once.
    pub fn value(&self, right: &str) -> Option<String> {
        Some(match self {
            Self::Right => right.to_owned(),
            Self::Other(other) => other.clone(),
            Self::Longer(more) => format!("{right}{more}"),
            Self::Cut => right.chars().skip(1).collect(),
            Self::Upper => right.to_uppercase(),
            _ => return None,
        })
    }

    pub fn is_right(&self, right: &str) -> bool {
        self.value(right).as_deref() == Some(right)
    }

    /// Whether it is as good as not there for everybody.
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    pub fn json(&self, name: &str, right: &str) -> Option<String> {
        let value = match self {
            Self::Absent => return None,
            Self::Null => "null".to_owned(),
            Self::Int(number) => number.to_string(),
            Self::Bool(is) => is.to_string(),
            Self::ListOfRight => format!("[{}]", quoted(right)),
            Self::Object => format!("{{{}:1}}", quoted(right)),
            Self::Twice => format!("{},{}:{}", quoted(right), quoted(name), quoted(right)),
            text => quoted(&text.value(right).unwrap_or_default()),
        };
        Some(format!("{}:{value}", quoted(name)))
    }
}

impl Time {
    /// The time, if it is a whole number that comes once.
    pub const fn value(&self, now: i64, right: i64) -> Option<i64> {
        match self {
            Self::Right => Some(right),
            Self::FromNow(seconds) => Some(now + *seconds as i64),
            Self::Int(at) => Some(*at),
            _ => None,
        }
    }

    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    pub fn json(&self, name: &str, now: i64, right: i64) -> Option<String> {
        let value = match self {
            Self::Absent => return None,
            Self::Null => "null".to_owned(),
            Self::AsText(at) => format!("\"{at}\""),
            Self::Fraction(seconds) => format!("{}.5", now + i64::from(*seconds)),
            Self::Odd(which) => {
                ["1e400", "1e3", "9223372036854775808", "-0.0", "{}", "true"][usize::from(which % 6)].to_owned()
            }
            Self::ListOfRight => format!("[{right}]"),
            Self::Twice => format!("{right},\"{name}\":{right}"),
            number => number.value(now, right).unwrap_or_default().to_string(),
        };
        Some(format!("\"{name}\":{value}"))
    }
}

impl Audience {
    /// The audiences, if it is a text or a list of texts.
    pub fn values(&self, right: &str) -> Option<Vec<String>> {
        match self {
            Self::One(Text::ListOfRight) => Some(vec![right.to_owned()]),
            Self::One(text) => text.value(right).map(|one| vec![one]),
            Self::Several(all) => {
                Some(all.iter().take(4).map(|is| if *is { right.to_owned() } else { "another".to_owned() }).collect())
            }
            Self::Mixed => None,
        }
    }

    pub fn json(&self, name: &str, right: &str) -> Option<String> {
        match self {
            Self::One(text) => text.json(name, right),
            Self::Several(_) => Some(format!("{}:{}", quoted(name), serde_json::json!(self.values(right)?))),
            Self::Mixed => Some(format!("{}:[{},7]", quoted(name), quoted(right))),
        }
    }
}

/// An object of these members; then some that nobody knows.
pub fn object(members: impl IntoIterator<Item = Option<String>>, more: &[(String, String)]) -> String {
    // A name of its own for each: they must not stand for one that is known.
    let more = more
        .iter()
        .take(4)
        .enumerate()
        .map(|(n, (name, value))| format!("{}:{}", quoted(&format!("x{n}{name}")), quoted(value)));
    let all: Vec<String> = members.into_iter().flatten().chain(more).collect();
    format!("{{{}}}", all.join(","))
}

/// Base64url without padding.
pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What happens to a token after it was signed.
#[derive(Debug, Clone, Arbitrary)]
pub enum Tampering {
    Nothing,
    /// A bit of the signature.
    Signature(u16),
    NoSignature,
    /// Another content under the same signature.
    Content,
    MoreParts,
    Padding,
    Space,
    /// Base64 with the bits set that should be none: another text of the same bytes.
    StrayBits,
}

impl Tampering {
    pub const fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    pub fn apply(&self, token: String) -> String {
        let Some((signed, signature)) = token.rsplit_once('.') else { return token };
        match self {
            Self::Nothing => token,
            Self::Signature(bit) => {
                let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
                let at = usize::from(*bit) % (bytes.len().max(1) * 8);
                if let Some(byte) = bytes.get_mut(at / 8) {
                    *byte ^= 1 << (at % 8);
                }
                format!("{signed}.{}", b64(bytes))
            }
            Self::NoSignature => format!("{signed}."),
            Self::Content => {
                let (head, _) = signed.split_once('.').unwrap_or((signed, ""));
                format!("{head}.{}.{signature}", b64("{}"))
            }
            Self::MoreParts => format!("{token}.{}", b64("x")),
            Self::Padding => format!("{token}=="),
            Self::Space => format!("{signed} .{signature}"),
            Self::StrayBits => {
                let last = signature.bytes().last().unwrap_or(b'A');
                // 64 bytes leave four bits over in the last character, which must be none.
                format!(
                    "{signed}.{}{}",
                    &signature[..signature.len().saturating_sub(1)],
                    char::from(last.wrapping_add(1))
                )
            }
        }
    }
}
