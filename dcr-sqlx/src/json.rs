//! Many rows in one parameter: a JSON array of arrays.
//!
//! Words, texts and bytes are in hexadecimal, so that whatever strangers put into them there is nothing to escape. The
//! statement says which is which.

use std::fmt::Write as _;

use crate::rows::Value;

/// The array of these rows.
pub(crate) fn array(rows: impl IntoIterator<Item = Vec<Value>>) -> String {
    let mut json = String::from("[");
    for (n, row) in rows.into_iter().enumerate() {
        json.push_str(if n == 0 { "[" } else { ",[" });
        for (n, value) in row.iter().enumerate() {
            if n > 0 {
                json.push(',');
            }
            push(&mut json, value);
        }
        json.push(']');
    }
    json.push(']');
    json
}

fn push(json: &mut String, value: &Value) {
    match value {
        Value::Integer(Some(number)) => {
            // Writing into a `String` cannot fail.
            let _ = write!(json, "{number}");
        }
        Value::Word(Some(text)) | Value::Text(Some(text)) => push_hex(json, text.as_bytes()),
        Value::Bytes(Some(bytes)) => push_hex(json, bytes),
        Value::Integer(None) | Value::Word(None) | Value::Text(None) | Value::Bytes(None) => json.push_str("null"),
    }
}

fn push_hex(json: &mut String, bytes: &[u8]) {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    json.reserve(2 * bytes.len() + 2);
    json.push('"');
    for byte in bytes {
        json.push(DIGITS[usize::from(byte >> 4)]);
        json.push(DIGITS[usize::from(byte & 15)]);
    }
    json.push('"');
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
