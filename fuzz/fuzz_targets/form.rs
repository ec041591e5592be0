//! Forms, as the token endpoint reads them (I-13, TOK-03, TK-6): a second reader finds the same; what comes twice, or is no
//! text, is refused; without a grant of ours there are no tokens and no rows.
//!
//! Input: the body.

#![no_main]

use std::cell::OnceCell;

use dcr_core::fuzzing::Parameters;
use dcr_fuzz::answer::{self, Answer};
use dcr_fuzz::world::{self, World};
use dcr_fuzz::{bounds, query};
use libfuzzer_sys::fuzz_target;

thread_local! {
    static WORLD: OnceCell<World> = const { OnceCell::new() };
}

fn reads_alike(form: &[u8]) {
    let all = query::read(form);
    let Some(parsed) = bounds::within(form.len() * 64 + 64 * 1024, || Parameters::parse(form)) else {
        let odd = all.iter().any(|(name, _)| name.contains(&0) || std::str::from_utf8(name).is_err());
        assert!(odd || all.len() > 64, "a good form was refused");
        return;
    };
    for (name, _) in &all {
        let name = std::str::from_utf8(name).expect("names are text");
        let values = query::values(&all, name);
        assert_eq!(parsed.count(name), values.len());
        assert_eq!(
            parsed.bytes(name),
            match values.as_slice() {
                [one] => Some(*one),
                _ => None,
            }
        );
        if let Some(text) = parsed.get(name) {
            assert_eq!(text.as_bytes(), values[0]);
            assert!(!text.contains('\0'));
        }
    }
    let twice =
        all.iter().any(|(name, _)| std::str::from_utf8(name).is_ok_and(|name| query::values(&all, name).len() > 1));
    assert_eq!(parsed.repeated().is_some(), twice);
    let unreadable = |(name, value): &(Vec<u8>, Vec<u8>)| {
        let text = std::str::from_utf8(value).is_ok_and(|text| !text.contains('\0'));
        !value.is_empty() && (!text || query::values(&all, std::str::from_utf8(name).unwrap_or_default()).len() > 1)
    };
    assert_eq!(parsed.unreadable().is_some(), all.iter().any(unreadable));

    // And what is written comes back.
    let again = query::write(&all);
    let again = Parameters::parse(again.as_bytes()).expect("a form");
    for (name, _) in &all {
        let name = std::str::from_utf8(name).expect("names are text");
        assert_eq!((again.count(name), again.bytes(name)), (parsed.count(name), parsed.bytes(name)));
    }
}

fn is_answered(world: &World, form: &[u8]) {
    for path in ["/oauth/token", "/oauth/revoke", "/oauth/introspect"] {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let request = world::request("POST", path, &headers, form).expect("a request");
        let rows = world.rows();
        let answer = bounds::within(form.len() * 64 + 512 * 1024, || world.send(request));
        assert_eq!(world.rows(), rows, "I-1");
        match answer::judge(&answer, false) {
            Answer::Error(error) => {
                assert!(error != "server_error");
                if error == "invalid_client" {
                    assert_eq!(answer.status(), 401);
                }
            }
            // RFC 7009 section 2.2: what is no token of ours is as good as revoked.
            Answer::Empty => assert_eq!((path, answer.status().as_u16()), ("/oauth/revoke", 200)),
            other => panic!("{path}: {other:?}"),
        }
        let is_unreadable = Parameters::parse(form).is_none_or(|parsed| parsed.unreadable().is_some());
        assert!(!is_unreadable || answer.status().as_u16() >= 400, "TOK-03 at {path}");
    }
}

fuzz_target!(|data: &[u8]| {
    reads_alike(data);
    WORLD.with(|world| is_answered(world.get_or_init(World::new), data));
});
