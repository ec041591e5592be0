//! The languages of the pages, and which of them a browser prefers (RFC 9110 section 12.5.4).

use std::fmt;

use super::texts::{self, Texts};

/// More ranges than any browser sends; the rest is not looked at.
const MAX_RANGES: usize = 64;

macro_rules! languages {
    ($($(#[$doc:meta])* $name:ident = $tag:literal, $texts:expr;)*) => {
        /// A language in which the pages speak. JSON answers are English, whatever is asked for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Language {
            $($(#[$doc])* $name,)*
        }

        impl Language {
            /// Every language; the first is the one for whoever prefers none of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its tag (RFC 5646), for `lang` and `Content-Language`.
            #[must_use]
            pub const fn tag(self) -> &'static str {
                match self { $(Self::$name => $tag,)* }
            }

            /// What the pages say in it.
            #[must_use]
            pub const fn texts(self) -> &'static Texts {
                match self { $(Self::$name => &$texts,)* }
            }
        }
    };
}

// One more language: one more file of texts, and one more line here.
languages! {
    /// English.
    English = "en", texts::en::TEXTS;
    /// Korean.
    Korean = "ko", texts::ko::TEXTS;
}

impl Language {
    /// The language with this tag, such as `ko`.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|language| language.tag().eq_ignore_ascii_case(tag))
    }

    /// The language that the values of `Accept-Language` prefer: the highest weight wins, of equal ones the first. A
    /// range stands for its primary language, as `ko-KR` for Korean (RFC 4647 section 3.4); `*` for all that are not
    /// named. What is malformed is passed over. Nothing acceptable: English, since a page in it helps more than none
    /// (RFC 9110 section 12.5.4 leaves that to us).
    ///
    /// ```
    /// use dcr_core::Language;
    ///
    /// assert_eq!(Language::preferred(["ko-KR,ko;q=0.9,en;q=0.8"]), Language::Korean);
    /// assert_eq!(Language::preferred(["fr, *;q=0.1"]), Language::English);
    /// ```
    #[must_use]
    pub fn preferred<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let ranges: Vec<Range<'_>> =
            values.into_iter().flat_map(|value| value.split(',')).take(MAX_RANGES).filter_map(Range::parse).collect();
        let mut best: Option<(u16, usize, Self)> = None;
        for language in Self::ALL {
            let Some((weight, place)) = language.wanted(&ranges) else { continue };
            if best.is_none_or(|(most, first, _)| weight > most || (weight == most && place < first)) {
                best = Some((weight, place, *language));
            }
        }
        best.map_or(Self::ALL[0], |(_, _, language)| language)
    }

    /// How much this language is wanted, and by which range. `None` if it is not acceptable.
    fn wanted(self, ranges: &[Range<'_>]) -> Option<(u16, usize)> {
        let heaviest = |names: &dyn Fn(&str) -> bool| {
            let named = ranges.iter().enumerate().filter(|(_, range)| names(range.language));
            // Of equal ones the first: `max_by_key` would take the last.
            named.map(|(place, range)| (range.weight, place)).reduce(|a, b| if b.0 > a.0 { b } else { a })
        };
        let (weight, place) =
            heaviest(&|name| name.eq_ignore_ascii_case(self.tag())).or_else(|| heaviest(&|name| name == "*"))?;
        (weight > 0).then_some((weight, place))
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag())
    }
}

/// One entry of the field: a primary language or `*`, and its weight in thousandths.
struct Range<'a> {
    language: &'a str,
    weight: u16,
}

impl<'a> Range<'a> {
    fn parse(entry: &'a str) -> Option<Self> {
        let mut parts = entry.split(';').map(|part| part.trim_matches([' ', '\t']));
        let mut subtags = parts.next()?.split('-');
        let language = subtags.next()?;
        let alphabetic = (1..=8).contains(&language.len()) && language.bytes().all(|b| b.is_ascii_alphabetic());
        let alphanumeric = |tag: &str| (1..=8).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphanumeric());
        // `*` alone: basic ranges (RFC 4647 section 2.1) have no `*-KR`.
        if !(alphabetic && subtags.all(alphanumeric) || language == "*" && subtags.next().is_none()) {
            return None;
        }
        let weight = parts.next().map_or(Some(1_000), weight)?;
        parts.next().is_none().then_some(Self { language, weight })
    }
}

/// `q=0.8` in thousandths (RFC 9110 section 12.4.2): 0 or 1, and at most three digits that do not go above 1.
fn weight(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.split_once('=')?;
    if !name.eq_ignore_ascii_case("q") {
        return None;
    }
    let (whole, digits) = value.split_once('.').unwrap_or((value, ""));
    if digits.len() > 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let thousandths =
        digits.bytes().chain(std::iter::repeat(b'0')).take(3).fold(0, |n, b| n * 10 + u16::from(b - b'0'));
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Language::{English, Korean};
    use super::*;

    #[test]
    fn the_heaviest_range_wins_and_of_equal_ones_the_first() {
        for (value, language) in [
            ("ko", Korean),
            ("KO-kr", Korean),
            ("ko-Kore-KR", Korean),
            ("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", Korean),
            ("en-US,en;q=0.9,ko;q=0.8", English),
            ("en;q=0.5,ko;q=0.501", Korean),
            ("ko,en", Korean),
            ("en,ko", English),
            ("de,fr;q=0.9,ko;q=0.1", Korean),
            ("ko\t;\tq=1.000 , en ; q=0.999", Korean),
            ("ko;Q=0.3,en;q=0.2", Korean),
            (", ,ko,", Korean),
        ] {
            assert_eq!(Language::preferred([value]), language, "{value}");
        }
        assert_eq!(Language::preferred(["de", "ko;q=0.4, en;q=0.3"]), Korean, "a list in two lines");
    }

    #[test]
    fn zero_is_not_acceptable_and_a_star_is_what_is_not_named() {
        for (value, language) in [
            ("en;q=0,*", Korean),
            ("en;q=0, ko;q=0.001", Korean),
            ("ko;q=0,*;q=0.5", English),
            ("*", English),
            ("*,ko;q=0.5", English),
            ("ko;q=0.5,*;q=0.4", Korean),
            ("*;q=0", English),
            ("en;q=0.0, ko;q=0.000", English),
            ("ko-KP;q=0, ko", Korean),
        ] {
            assert_eq!(Language::preferred([value]), language, "{value}");
        }
    }

    #[test]
    fn what_is_malformed_is_passed_over() {
        for value in [
            "",
            "fr",
            "kok",
            "k",
            "korean-",
            "ko-",
            "ko_KR",
            "ko;q",
            "ko;q=",
            "ko;q=2",
            "ko;q=1.001",
            "ko;q=.9",
            "ko;q=-1",
            "ko;q=0.1234",
            "ko;q=0,9;x",
            "ko;v=1",
            "ko;q=1;q=1",
            "*-KR",
            "ko KR",
            "한국어",
            "ko;q=1e0",
            "toolonglanguage",
            "ko-toolongsubtag",
        ] {
            assert_eq!(Language::preferred([value]), English, "{value}");
        }
        let flood = "x,".repeat(MAX_RANGES) + "ko";
        assert_eq!(Language::preferred([flood.as_str()]), English);
        assert_eq!(Language::preferred([]), English);
    }
    proptest::proptest! {
        #[test]
        fn whatever_is_sent_there_is_a_language(value in "[-a-z*,;=.q0-9 \\PC]{0,40}") {
            proptest::prop_assert!(Language::ALL.contains(&Language::preferred([value.as_str()])));
            // And what is preferred above all else wins.
            let firm = format!("ko,{}", value.replace(['k', 'o'], "x"));
            proptest::prop_assert_eq!(Language::preferred([firm.as_str()]), Korean);
        }
    }
}
