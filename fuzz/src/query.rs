//! A second reader of queries and forms (WHATWG URL section 5.1, RFC 3986 section 2.1), and a writer.

/// Name and value of each parameter, decoded, in order. Empty pieces between ampersands are none.
pub fn read(encoded: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    for piece in encoded.split(|byte| *byte == b'&') {
        if piece.is_empty() {
            continue;
        }
        let at = piece.iter().position(|byte| *byte == b'=');
        let (name, value) = (&piece[..at.unwrap_or(piece.len())], at.map_or(&[][..], |at| &piece[at + 1..]));
        all.push((decode(name), decode(value)));
    }
    all
}

/// The values of one name that are not empty: an empty one is as good as absent (RFC 6749 section 3.1).
pub fn values<'a>(all: &'a [(Vec<u8>, Vec<u8>)], name: &str) -> Vec<&'a [u8]> {
    all.iter().filter(|(n, v)| n == name.as_bytes() && !v.is_empty()).map(|(_, v)| v.as_slice()).collect()
}

/// Plus signs and percent escapes undone; an escape that is none stays.
pub fn decode(encoded: &[u8]) -> Vec<u8> {
    let hex = |at: usize| encoded.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::with_capacity(encoded.len());
    let mut at = 0;
    while let Some(byte) = encoded.get(at) {
        match (byte, hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 2;
            }
            (b'+', ..) => out.push(b' '),
            _ => out.push(*byte),
        }
        at += 1;
    }
    out
}

/// Every byte that is not unreserved, escaped.
pub fn encode(raw: &[u8]) -> String {
    let mut out = String::with_capacity(raw.len());
    for byte in raw {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(*byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

/// A query or form of these parameters.
pub fn write<N: AsRef<[u8]>, V: AsRef<[u8]>>(parameters: &[(N, V)]) -> String {
    let pair = |(name, value): &(N, V)| format!("{}={}", encode(name.as_ref()), encode(value.as_ref()));
    parameters.iter().map(pair).collect::<Vec<_>>().join("&")
}
