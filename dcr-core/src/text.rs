//! What a stranger named is shown as bounded text and nothing else (I-10, CO-4).

/// The longest text in a line of the operator's log that may hold what somebody else wrote: an error of a parser names what
/// it could not read.
pub(crate) const LOGGED: usize = 512;

/// `text` without control, bidirectional, zero-width and other invisible characters, white space folded, cut to at most
/// `max` characters with an ellipsis.
pub(crate) fn bounded(text: &str, max: usize) -> String {
    let mut out = String::new();
    let mut chars = 0;
    let mut gap = false;
    for c in text.chars() {
        if c.is_whitespace() {
            gap = chars > 0;
            continue;
        }
        if c.is_control() || is_invisible(c) {
            continue;
        }
        if chars + usize::from(gap) >= max {
            out.pop();
            out.push('\u{2026}');
            return out;
        }
        if gap {
            out.push(' ');
            chars += 1;
            gap = false;
        }
        out.push(c);
        chars += 1;
    }
    out
}

fn is_invisible(c: char) -> bool {
    matches!(
        u32::from(c),
        0x00ad | 0x034f | 0x061c | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x180b..=0x180f | 0x200b..=0x200f
            | 0x202a..=0x202e | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb
            | 0xe000..=0xf8ff | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff
    )
}

#[cfg(test)]
mod tests {
    use super::bounded;

    #[test]
    fn only_visible_text_remains_and_it_is_bounded() {
        assert_eq!(bounded("  a\t\n b  ", 10), "a b");
        assert_eq!(bounded("a\u{202e}b\u{200d}c\u{feff}\u{e0041}", 10), "abc");
        assert_eq!(bounded("abcdef", 4), "abc\u{2026}");
        assert_eq!(bounded("abcd", 4), "abcd");
        assert_eq!(bounded("\u{2066}\u{0}", 4), "");
        assert_eq!(bounded("한국어 이름", 64), "한국어 이름");
    }
}
