//! Times as the versions of the old system wrote them: ISO text with and without an offset, seconds, milliseconds.

use std::time::Duration;

use dcr_core::Timestamp;

/// The old system is younger. What claims to be older is a zero, or a mistake.
const EARLIEST: Timestamp = Timestamp::from_unix_seconds(946_684_800);
/// A clock that was wrong, or a time zone that was not written down.
const TOLERANCE: Duration = Duration::from_secs(24 * 60 * 60);

/// The time that a text says, if it can have been one; never later than `now`.
pub(super) fn parse(text: &str, now: Timestamp) -> Option<Timestamp> {
    let time = number(text).or_else(|| iso(text))?;
    (EARLIEST <= time && time <= now + TOLERANCE).then(|| time.min(now))
}

/// Seconds, milliseconds or microseconds since the Unix epoch, told apart by their size.
fn number(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let number: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let micros = match number {
        ..100_000_000_000 => number.checked_mul(1_000_000)?,
        100_000_000_000..100_000_000_000_000 => number.checked_mul(1_000)?,
        _ => number,
    };
    Some(Timestamp::from_unix_micros(micros))
}

/// `2025-03-01`, `2025-03-01 10:00`, `2025-03-01T10:00:00.5+02`, and what is between them. UTC if no offset is written.
fn iso(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.trim_start_matches(['T', 't', ' ']);
    let at = rest.find(['Z', 'z', '+', '-', ' ']).unwrap_or(rest.len());
    let (time, offset) = rest.split_at(at);
    let time = match time.bytes().filter(|b| *b == b':').count() {
        0 if time.is_empty() => "00:00:00".to_owned(),
        1 => format!("{time}:00"),
        _ => time.to_owned(),
    };
    let offset = match offset.trim() {
        "" | "Z" | "z" | "UTC" | "GMT" => "Z".to_owned(),
        short if short.len() == 3 => format!("{short}:00"),
        plain if plain.len() == 5 && !plain.contains(':') => format!("{}:{}", plain.get(..3)?, plain.get(3..)?),
        whole => whole.to_owned(),
    };
    format!("{date}T{time}{offset}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_in_which_a_time_was_written_is_read() {
        let now = Timestamp::from_unix_seconds(1_760_000_000);
        for text in [
            "1740823200",
            "1740823200.0",
            "1740823200000",
            "1740823200000000",
            "2025-03-01 10:00:00",
            "2025-03-01T10:00",
            "2025-03-01T10:00:00Z",
            "2025-03-01 10:00:00.000000",
            "2025-03-01 12:00:00+02",
            "2025-03-01 12:00:00+0200",
            "2025-03-01T05:00:00-05:00",
            "2025-03-01 10:00:00 UTC",
        ] {
            assert_eq!(parse(text, now), Some(Timestamp::from_unix_seconds(1_740_823_200)), "{text}");
        }
        assert_eq!(parse("2025-03-01", now), Some(Timestamp::from_unix_seconds(1_740_787_200)));
    }

    #[test]
    fn what_cannot_have_been_a_time_is_none_and_none_is_later_than_now() {
        let now = Timestamp::from_unix_seconds(1_760_000_000);
        for text in [
            "",
            "0",
            "-1",
            "soon",
            "0000-00-00 00:00:00",
            "1970-01-01 00:00:00",
            "9999-12-31",
            "2025-13-01",
            "12.5.2025",
            "99999999999999999999",
            "2025-03-01 25:00:00",
            "2025-03-0é",
            "1740823200.x",
            "NaN",
            "Infinity",
        ] {
            assert_eq!(parse(text, now), None, "{text}");
        }
        assert_eq!(parse("1760000300", now), Some(now));
    }
}
