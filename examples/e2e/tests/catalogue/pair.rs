//! HTTP-01: a case on both frameworks, and all that they answered compared, random values evened out.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use dcr_e2e::{Framework, Recorded, recorded};
use libtest_mimic::Failed;

use crate::case::Case;
use crate::ground::{Ground, Kept, Place};

/// Nothing that is not random is this long and mixed.
const RANDOM: usize = 8;

/// Runs a case on both frameworks. Answers how many exchanges were alike.
pub(crate) async fn compare(case: Case) -> Result<usize, Failed> {
    let [axum, warp] = [Framework::Axum, Framework::Warp].map(|framework| async move {
        let ground = Ground::new(Place { framework, kept: Kept::InMemory });
        let ((), exchanges) = recorded((case.run)(&ground)).await;
        evened_out(&exchanges)
    });
    let (axum, warp) = tokio::join!(axum, warp);
    let mut differences = String::new();
    for (a, w) in axum.iter().zip(&warp).filter(|(a, w)| a != w).take(3) {
        let _: std::fmt::Result =
            write!(differences, "\n{}\naxum: {}\n{}\nwarp: {}\n", a.asked, a.answered, w.asked, w.answered);
    }
    if axum.len() != warp.len() {
        let _: std::fmt::Result = write!(differences, "\n{} exchanges and {}", axum.len(), warp.len());
    }
    if differences.is_empty() { Ok(axum.len()) } else { Err(Failed::from(differences)) }
}

/// Every value that is drawn, signed, sealed or counted by a clock becomes a number: the same one for the same value, so
/// that it also shows where one comes back.
fn evened_out(exchanges: &[Recorded]) -> Vec<Recorded> {
    let mut known = BTreeMap::new();
    let mut even = |text: &str| -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(is_of_a_word) {
            out.push_str(&rest[..start]);
            rest = &rest[start..];
            if out.ends_with('%') && rest.len() >= 2 && rest.is_char_boundary(2) {
                // What a percent sign encodes is no part of a word.
                out.push_str(&rest[..2]);
                rest = &rest[2..];
                continue;
            }
            let (word, after) = rest.split_at(rest.find(|c| !is_of_a_word(c)).unwrap_or(rest.len()));
            if is_time(word) {
                // Two answers of one second have one, and of two seconds two.
                out.push_str("<time>");
            } else if is_drawn(word) {
                let next = known.len();
                let number = known.entry(word.to_owned()).or_insert(next);
                let _: std::fmt::Result = write!(out, "<{number}>");
            } else {
                out.push_str(word);
            }
            rest = after;
        }
        out.push_str(rest);
        out
    };
    // What the provider says is its own affair.
    let of_server = exchanges.iter().filter(|exchange| !exchange.asked.contains("/oauth2/v2.0/"));
    of_server.map(|exchange| exchange.with(&mut even)).collect()
}

const fn is_of_a_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

/// Seconds since 1970.
fn is_time(word: &str) -> bool {
    word.len() == 10 && word.bytes().all(|b| b.is_ascii_digit())
}

/// A port, a reference, or something long of digits and letters.
fn is_drawn(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let (upper, lower) = (word.bytes().any(|b| b.is_ascii_uppercase()), word.bytes().any(|b| b.is_ascii_lowercase()));
    let is_number = digits == word.len() && (5..=10).contains(&digits);
    let is_reference = word.len() == 9 && word.as_bytes()[4] == b'-' && !lower;
    is_number
        || is_reference
        || (word.len() >= RANDOM && digits > 0 && (upper && lower || word.len() >= 20))
        || (word.len() >= 20 && upper && lower)
}
