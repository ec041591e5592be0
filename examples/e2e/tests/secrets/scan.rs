//! The search: many needles, each in all forms in which it could be written down, in one pass over the bytes.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use url::form_urlencoded;

/// Of each needle so many bytes are enough to be found: from its beginning, and from its end.
const TELLING: usize = 16;
/// How many bytes of a place are shown.
const CONTEXT: usize = 160;

/// A secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Needle {
    /// What it is.
    pub(crate) kind: String,
    pub(crate) bytes: Vec<u8>,
}

/// Where one was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) kind: String,
    pub(crate) form: &'static str,
    /// What is around it.
    pub(crate) place: String,
}

impl Needle {
    pub(crate) fn new(kind: &str, bytes: impl AsRef<[u8]>) -> Self {
        Self { kind: kind.to_owned(), bytes: bytes.as_ref().to_vec() }
    }

    /// How it could be written, whole or in part: as it is, encoded for a URL or in hexadecimal or base64, or escaped.
    pub(crate) fn forms(&self) -> Vec<(&'static str, Vec<u8>)> {
        let mut forms = Vec::new();
        let end = self.bytes.len().saturating_sub(TELLING);
        for part in [&self.bytes[..TELLING.min(self.bytes.len())], &self.bytes[end..]] {
            let hex: String = part.iter().map(|byte| format!("{byte:02x}")).collect();
            let numbers: Vec<String> = part.iter().map(u8::to_string).collect();
            let percent: String = form_urlencoded::byte_serialize(part).collect();
            forms.extend([
                ("as it is", part.to_vec()),
                ("percent-encoded", percent.clone().into_bytes()),
                ("percent-encoded, lower case", lower_percent(&percent).into_bytes()),
                ("hexadecimal", hex.clone().into_bytes()),
                ("HEXADECIMAL", hex.to_uppercase().into_bytes()),
                ("a list of bytes", numbers.join(", ").into_bytes()),
                ("escaped", part.escape_ascii().to_string().into_bytes()),
            ]);
            if let Ok(text) = std::str::from_utf8(part) {
                let json = serde_json::to_string(text).expect("text is JSON");
                forms.push(("JSON", json.trim_matches('"').as_bytes().to_vec()));
                forms.push(("JSON with slashes", json.trim_matches('"').replace('/', "\\/").into_bytes()));
            }
        }
        // Base64 shows from the beginning on, three bytes at a time, and may stand behind `name:` as in Basic credentials.
        for shift in 0..3 {
            if self.bytes.len() >= TELLING + shift {
                let whole = &self.bytes[shift..shift + 15];
                forms.push(("base64", STANDARD_NO_PAD.encode(whole).into_bytes()));
                forms.push(("base64url", URL_SAFE_NO_PAD.encode(whole).into_bytes()));
            }
        }
        forms.sort();
        forms.dedup_by(|one, other| one.1 == other.1);
        forms
    }
}

fn lower_percent(text: &str) -> String {
    let mut parts = text.split('%');
    let mut lower = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        lower.push('%');
        lower.push_str(&part[..2].to_ascii_lowercase());
        lower.push_str(&part[2..]);
    }
    lower
}

/// Finds needles.
pub(crate) struct Scanner {
    patterns: Vec<(String, &'static str, Vec<u8>)>,
    /// Which patterns begin with these eight bytes.
    by_start: HashMap<u64, Vec<usize>>,
    /// Whether one may begin with these two.
    may_start: Vec<bool>,
}

const START: usize = 8;

impl Scanner {
    pub(crate) fn new<'a>(needles: impl IntoIterator<Item = &'a Needle>) -> Self {
        let mut scanner = Self { patterns: Vec::new(), by_start: HashMap::new(), may_start: vec![false; 1 << 16] };
        for needle in needles {
            for (form, pattern) in needle.forms() {
                assert!(pattern.len() >= START, "{} is too short to be told from anything", needle.kind);
                let start = u64::from_be_bytes(pattern[..START].try_into().expect("eight bytes"));
                scanner.by_start.entry(start).or_default().push(scanner.patterns.len());
                scanner.may_start[usize::from(u16::from_be_bytes([pattern[0], pattern[1]]))] = true;
                scanner.patterns.push((needle.kind.clone(), form, pattern));
            }
        }
        scanner
    }

    pub(crate) fn patterns(&self) -> usize {
        self.patterns.len()
    }

    /// Every needle that is in `hay`.
    pub(crate) fn find(&self, hay: &[u8]) -> Vec<Found> {
        let mut found = Vec::new();
        for at in 0..hay.len().saturating_sub(START - 1) {
            if !self.may_start[usize::from(u16::from_be_bytes([hay[at], hay[at + 1]]))] {
                continue;
            }
            let start = u64::from_be_bytes(hay[at..at + START].try_into().expect("eight bytes"));
            for (kind, form, pattern) in self.by_start.get(&start).into_iter().flatten().map(|n| &self.patterns[*n]) {
                if hay[at..].starts_with(pattern) {
                    let place = &hay[at.saturating_sub(CONTEXT)..(at + pattern.len() + CONTEXT).min(hay.len())];
                    let place = String::from_utf8_lossy(place).into_owned();
                    found.push(Found { kind: kind.clone(), form, place });
                }
            }
        }
        found
    }
}

/// What was found, each kind, form and place once, for people.
pub(crate) fn report(found: &[(String, Found)]) -> String {
    let mut all: BTreeMap<(&str, &str, &str), (usize, &str)> = BTreeMap::new();
    for (where_, found) in found {
        all.entry((where_, &found.kind, found.form)).or_insert((0, &found.place)).0 += 1;
    }
    let line = |((where_, kind, form), (times, place)): (_, (usize, &str))| {
        format!("{where_}: {kind} {form}, {times} times, such as:\n    {place:?}\n")
    };
    all.into_iter().map(line).collect()
}
