//! Many rows in one parameter: a JSON array of arrays.
//!
//! Words, texts and bytes are in hexadecimal, so that whatever strangers put into them there is nothing to escape. The
//! statement says which is which.

use std::io::Write as _;

use crate::rows::Value;

/// The array of these rows.
pub(crate) fn array(rows: impl IntoIterator<Item = Vec<Value>>) -> String {
    let mut json = Vec::with_capacity(1024);
    json.push(b'[');
    for (n, row) in rows.into_iter().enumerate() {
        json.extend_from_slice(if n == 0 { b"[" } else { b",[" });
        for (n, value) in row.iter().enumerate() {
            if n > 0 {
                json.push(b',');
            }
            push(&mut json, value);
        }
        json.push(b']');
    }
    json.push(b']');
    // ASCII, every byte of it.
    String::from_utf8(json).unwrap_or_default()
}

fn push(json: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Integer(Some(number)) => {
            // Writing into memory cannot fail.
            let _: std::io::Result<()> = write!(json, "{number}");
        }
        Value::Word(Some(text)) | Value::Text(Some(text)) => push_hex(json, text.as_bytes()),
        Value::Bytes(Some(bytes)) => push_hex(json, bytes),
        Value::Integer(None) | Value::Word(None) | Value::Text(None) | Value::Bytes(None) => {
            json.extend_from_slice(b"null");
        }
    }
}

fn push_hex(json: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    json.reserve(2 * bytes.len() + 2);
    json.push(b'"');
    let begin = json.len();
    json.resize(begin + 2 * bytes.len(), b'0');
    for (pair, byte) in json[begin..].chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    json.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Word, values};

    #[test]
    fn rows_are_arrays_of_numbers_hexadecimal_and_null() {
        assert_eq!(array([]), "[]");
        let rows = [values![7_u32, Word("a\"b"), Some("é\0"), None::<&str>], values![&[0_u8, 255][..], true]];
        assert_eq!(array(rows), r#"[[7,"612262","c3a900",null],["00ff",1]]"#);
    }
}
