//! What the command does, on any database. Each scenario begins with empty tables.

use std::time::Duration;

use dcr_core::record::{EventKind, FunnelCount, RequestRecord, Step};
use dcr_core::session::{EventId, RequestId};
use dcr_core::store::{EventQuery, Target};
use dcr_core::{ClientId, Clock as _, Operator, Platform, SystemClock, SystemRandom, Timestamp};
use serde_json::Value;

use super::dcr::{Dcr, is_alive, person, sign_in};

const NOW: Duration = Duration::ZERO;
const LONG_AGO: Duration = Duration::from_secs(90 * 24 * 60 * 60);

fn ids(list: &Value, name: &str) -> Vec<String> {
    let mut ids: Vec<String> =
        list.as_array().unwrap().iter().map(|row| row[name].as_str().unwrap().to_owned()).collect();
    ids.sort_unstable();
    ids
}

pub(crate) async fn requests_are_listed_by_person_and_by_session_newest_first(dcr: Dcr) {
    let store = dcr.store().await;
    let session = sign_in(&*store, &person("ada"), "cursor", "client", NOW).await;
    let request = |n: u8| RequestRecord {
        id: RequestId::from_bytes([n; 16]),
        user: session.user.clone(),
        session: session.id,
        at: Timestamp::from_unix_seconds(1_790_000_000 + i64::from(n)),
        method: "POST".to_owned(),
        tool: (n > 1).then(|| format!("tool\u{1b}[2J {n}")),
        status: 200,
        address: (n > 2).then(|| [192, 0, 2, n].into()),
    };
    assert!(dcr.prints(&["requests", "ada@dev.example"]).contains("DCR_REQUEST_HISTORY"), "what to do next");
    store.add_requests(&[request(1), request(2), request(3)]).await.unwrap();
    let text = dcr.prints(&["requests", "ada@dev.example"]);
    assert!(text.contains("192.0.2.3") && !text.contains('\u{1b}'), "{text}");
    let id = session.id.to_string();
    for who in ["ada@dev.example", session.user.as_str(), &id] {
        let found = dcr.json(&["requests", who, "--json"]);
        let tools: Vec<_> = found.as_array().unwrap().iter().map(|row| row["tool"].as_str()).collect();
        assert_eq!(tools, [Some("tool\u{1b}[2J 3"), Some("tool\u{1b}[2J 2"), None], "{who}");
    }
    assert_eq!(dcr.json(&["requests", &id, "--limit", "1", "--json"]).as_array().unwrap().len(), 1);
    for (kept, left) in [(None, 3), (Some("forever"), 3), (Some("36500"), 3), (Some("off"), 0)] {
        let option = kept.map(|kept| ["--request-history", kept]);
        dcr.prints(&[&["sweep"][..], option.as_ref().map_or(&[][..], |option| &option[..])].concat());
        assert_eq!(dcr.json(&["requests", &id, "--json"]).as_array().unwrap().len(), left, "{kept:?}");
    }
}

pub(crate) async fn people_apps_and_sessions_are_found_by_whatever_is_known_of_them(dcr: Dcr) {
    let store = dcr.store().await;
    let (ada, bob) = (person("ada"), person("bob"));
    let shared = "one-id-of-two-people";
    let with_cursor = sign_in(&*store, &ada, "cursor", shared, NOW).await;
    let with_claude = sign_in(&*store, &ada, "claude-web", "sealed-of-ada", NOW).await;
    let of_bob = sign_in(&*store, &bob, "cursor", shared, NOW).await;
    let lapsed = sign_in(&*store, &bob, "cursor", shared, LONG_AGO).await;

    let all = ids(&dcr.json(&["users", "--json"]), "user_id");
    let mut both = vec![ada.id.to_string(), bob.id.to_string()];
    both.sort_unstable();
    assert_eq!(all, both);
    let upper = ada.object_id.to_ascii_uppercase();
    for who in ["ADA@dev.example", &ada.object_id, &upper, ada.id.as_str(), "sealed-of-ada"] {
        assert_eq!(ids(&dcr.json(&["users", who, "--json"]), "user_id"), [ada.id.to_string()], "{who}");
    }
    assert_eq!(ids(&dcr.json(&["users", shared, "--json"]), "user_id"), both);
    assert_eq!(dcr.json(&["users", "ONE-ID-of-two-people", "--json"]), serde_json::json!([]), "OP-8");

    let connections = dcr.json(&["connections", "ada@dev.example", "--json"]);
    let mut expected = vec![with_cursor.connection.to_string(), with_claude.connection.to_string()];
    expected.sort_unstable();
    assert_eq!(ids(&connections, "connection_id"), expected);
    let of_shared = dcr.json(&["connections", shared, "--json"]);
    assert!(ids(&of_shared, "connection_id").contains(&of_bob.connection.to_string()));
    assert_eq!(of_shared.as_array().unwrap().len(), 2, "found by a client id, only that app");
    for row in of_shared.as_array().unwrap() {
        assert_eq!((&row["client_ids"][0], &row["live_sessions"]), (&Value::from(shared), &Value::from(1)));
    }

    let live = |who: &str| ids(&dcr.json(&["sessions", who, "--json"]), "session_id");
    assert_eq!(live("sealed-of-ada"), [with_claude.id.to_string()]);
    assert_eq!(live("bob@dev.example"), [of_bob.id.to_string()]);
    assert_eq!(live(&with_cursor.connection.to_string()), [with_cursor.id.to_string()]);
    assert_eq!(live(&of_bob.id.to_string()), [of_bob.id.to_string()]);
    let all = dcr.json(&["sessions", "bob@dev.example", "--all", "--json"]);
    assert_eq!(ids(&all, "session_id").len(), 2);
    let row = all.as_array().unwrap().iter().find(|row| row["session_id"] == lapsed.id.to_string()).unwrap();
    assert_eq!((&row["state"], &row["scope"]), (&Value::from("lapsed"), &Value::from("mcp")));

    let table = dcr.prints(&["sessions", "bob@dev.example"]);
    assert!(table.starts_with("SESSION ") && table.contains(&of_bob.id.to_string()), "{table}");
    assert!(!table.contains(&lapsed.id.to_string()) && table.contains("1 session ended or lapsed"), "{table}");
    assert_eq!(dcr.prints(&["users", "nobody@dev.example"]), "nobody found\n");
    let events = dcr.prints(&["events", "bob@dev.example"]);
    assert_eq!(events.lines().count(), 2);
    assert!(events.lines().all(|line| line.contains(bob.id.as_str())), "{events}");
    assert_eq!(dcr.prints(&["events", "--limit", "1"]).lines().count(), 1);
}

pub(crate) async fn nothing_ends_without_a_yes_and_everything_that_is_named_ends_with_it(dcr: Dcr) {
    let store = dcr.store().await;
    let (ada, bob) = (person("ada"), person("bob"));
    let session = sign_in(&*store, &ada, "cursor", "client-1", NOW).await;
    let sibling = sign_in(&*store, &ada, "cursor", "client-2", NOW).await;
    let elsewhere = sign_in(&*store, &ada, "chatgpt", "client-3", NOW).await;
    let of_bob = sign_in(&*store, &bob, "chatgpt", "client-3", NOW).await;

    dcr.refuses(&["revoke", "user", "ada@dev.example"], 2, "--yes");
    dcr.refuses(&["block", "client-id", "client-3"], 2, "--yes");
    let would = dcr.prints(&["revoke", "user", "ada@dev.example", "--dry-run"]);
    assert!(would.contains("would end 3 sessions"), "{would}");
    assert!(is_alive(&*store, &session).await, "asking changes nothing");
    assert_eq!(store.blocked(&[Target::ClientId(ClientId::new("client-3").unwrap())]).await.unwrap(), None);

    let said = dcr.prints(&["revoke", "session", &session.id.to_string(), "--yes", "--reason", "lost laptop"]);
    assert!(said.contains("ended 1 session"), "{said}");
    assert!(!is_alive(&*store, &session).await && is_alive(&*store, &sibling).await);
    let end = store.session(session.id).await.unwrap().unwrap().session.ended.unwrap();
    assert_eq!(end.reason, "lost laptop");
    assert!(dcr.prints(&["revoke", "session", &session.id.to_string(), "--yes"]).contains("nothing to end"));

    dcr.prints(&["revoke", "connection", &sibling.connection.to_string(), "--yes"]);
    assert!(!is_alive(&*store, &sibling).await && is_alive(&*store, &elsewhere).await);

    let said = dcr.prints(&["block", "client-id", "client-3", "--yes"]);
    assert!(said.contains("blocked, 2 sessions ended"), "{said}");
    assert!(!is_alive(&*store, &elsewhere).await && !is_alive(&*store, &of_bob).await);
    assert!(dcr.prints(&["block", "client-id", "client-3", "--yes"]).contains("blocked already"));
    assert!(dcr.prints(&["unblock", "client-id", "client-3"]).contains("no longer blocked"));
    assert!(dcr.prints(&["unblock", "client-id", "client-3"]).contains("was not blocked"));

    let once = sign_in(&*store, &bob, "chatgpt", "client-3", NOW).await;
    assert!(dcr.prints(&["block", "session", &once.id.to_string(), "--yes"]).contains("ended 1 session"));
    let again = sign_in(&*store, &bob, "chatgpt", "client-3", NOW).await;
    assert!(dcr.prints(&["revoke", "platform", "ChatGPT", "--yes"]).contains("no platform of this name"), "bytes");
    dcr.prints(&["revoke", "platform", "chatgpt", "--yes"]);
    assert!(!is_alive(&*store, &again).await);
    let unknown = person("somebody-who-never-came");
    dcr.prints(&["block", "user", unknown.id.as_str(), "--yes"]);
    assert!(store.blocked(&[Target::User(unknown.id)]).await.unwrap().is_some());

    dcr.refuses(&["revoke", "session", "con_1", "--yes"], 2, "ses_");
    dcr.refuses(&["revoke", "client-id", "with a space", "--yes"], 2, "no client id");
    dcr.refuses(&["revoke", "user", "nobody@dev.example", "--yes"], 1, "nobody");
    let kinds: Vec<EventKind> = store
        .events(&EventQuery { limit: 1_000, ..EventQuery::default() })
        .await
        .unwrap()
        .iter()
        .map(|e| e.kind)
        .collect();
    let count = |kind| kinds.iter().filter(|other| **other == kind).count();
    assert_eq!((count(EventKind::Revoked), count(EventKind::Blocked), count(EventKind::Unblocked)), (4, 2, 1));
}

pub(crate) async fn an_address_of_two_people_ends_neither(dcr: Dcr) {
    let store = dcr.store().await;
    let (mut ada, mut bob) = (person("ada"), person("bob"));
    for user in [&mut ada, &mut bob] {
        user.email = Some("office@dev.example".to_owned());
    }
    let session = sign_in(&*store, &ada, "cursor", "client-1", NOW).await;
    sign_in(&*store, &bob, "cursor", "client-2", NOW).await;
    dcr.refuses(&["revoke", "user", "office@dev.example", "--yes"], 2, ada.id.as_str());
    assert!(is_alive(&*store, &session).await, "ME-8");
    dcr.prints(&["revoke", "user", ada.id.as_str(), "--yes"]);
    assert!(!is_alive(&*store, &session).await);
}

pub(crate) async fn a_sweep_takes_what_is_long_over_and_waits_for_a_recovery(dcr: Dcr) {
    let store = dcr.store().await;
    let ada = person("ada");
    for n in 0..1_100 {
        sign_in(&*store, &ada, "cursor", &format!("client-{}", n % 3), LONG_AGO).await;
    }
    let alive = sign_in(&*store, &ada, "cursor", "client-1", NOW).await;
    let operator = Operator::new(store.clone(), std::sync::Arc::new(SystemClock), std::sync::Arc::new(SystemRandom));
    operator.open_recovery(operator.now() + Duration::from_secs(60)).await.unwrap();
    assert!(dcr.prints(&["sweep"]).contains("nothing is deleted"));
    operator.close_recovery().await.unwrap();
    assert_eq!(dcr.prints(&["sweep", "--dry-run"]), "would delete 1100 sessions\n");
    assert_eq!(store.counts().await.unwrap().sessions, 1_101);
    assert_eq!(dcr.prints(&["sweep"]), "deleted 1100 sessions\n");
    assert_eq!(store.counts().await.unwrap().sessions, 1);
    assert!(is_alive(&*store, &alive).await);
}

pub(crate) async fn the_record_is_asked_by_what_it_says_and_swept_when_it_is_old(dcr: Dcr) {
    let store = dcr.store().await;
    let ada = person("ada");
    sign_in(&*store, &ada, "cursor", "client-1", LONG_AGO).await;
    let session = sign_in(&*store, &ada, "cursor", "client-2", NOW).await;
    dcr.prints(&["block", "client-id", "client-2", "--yes", "--reason", "abuse"]);
    let mut refused = store.events(&EventQuery { limit: 1, ..EventQuery::default() }).await.unwrap().remove(0);
    refused.id = EventId::from_bytes([7; 16]);
    (refused.kind, refused.reference) = (EventKind::Refused, "7KA2-001X".parse().ok());
    store.record(refused).await.unwrap();

    let lines = |arguments: &[&str]| dcr.prints(&[&["events"], arguments].concat()).lines().count();
    assert_eq!(lines(&[]), 4);
    let blocked = dcr.prints(&["events", "--kind", "blocked"]);
    assert!(blocked.contains(r#""reason":"abuse""#) && blocked.contains(r#""actor":"command""#), "{blocked}");
    let found = dcr.prints(&["events", "--reference", "7ka2oo1x"]);
    assert!(found.contains(r#""reference":"7KA2-001X""#), "people copy it as they read it: {found}");
    for (arguments, expected) in [
        (&["--client-id", "client-2"][..], 2),
        (&["--reason", "abuse"], 2),
        (&["--reason", "Abuse"], 0),
        (&["--platform", "cursor"], 0),
        (&["--until", "2020-01-01T00:00:00Z"], 0),
        (&["--since", "2020-01-01T00:00:00Z", "--kind", "signed_in"], 2),
        (&[session.id.to_string().as_str()], 1),
        (&[ada.id.as_str()], 2),
    ] {
        assert_eq!(lines(arguments), expected, "{arguments:?}");
    }
    dcr.refuses(&["events", "--kind", "forgiven"], 2, "no kind of event");
    dcr.refuses(&["events", "--reference", "?"], 2, "not an id");

    let hour = Timestamp::from_unix_seconds(SystemClock.now().unix_seconds() / 3_600 * 3_600);
    let count = |platform, count| FunnelCount {
        hour,
        platform: Platform::named(platform),
        step: Step::Authorize,
        outcome: "ok".to_owned(),
        count,
    };
    store.add_counts(&[count("cursor", 40), count("other", 1)]).await.unwrap();
    let funnel = dcr.prints(&["funnel"]);
    assert!(funnel.contains("cursor") && funnel.contains("40"), "{funnel}");
    assert_eq!(dcr.json(&["funnel", "--json"]).as_array().unwrap().len(), 2);
    assert!(dcr.prints(&["funnel", "--until", "2020-01-01T00:00:00Z"]).contains("nothing was counted"));

    assert!(!dcr.prints(&["sweep"]).contains("event"), "400 days are not over");
    assert!(dcr.prints(&["sweep", "--event-retention", "30"]).contains("deleted 1 event"));
    assert_eq!(lines(&[]), 3);
    dcr.refuses(&["sweep", "--event-retention", "0"], 2, "forever");
}

pub(crate) async fn a_person_is_forgotten_and_a_receipt_is_printed(dcr: Dcr) {
    let store = dcr.store().await;
    let (ada, bob) = (person("ada"), person("bob"));
    let session = sign_in(&*store, &ada, "cursor", "client-1", NOW).await;
    let of_bob = sign_in(&*store, &bob, "cursor", "client-1", NOW).await;
    dcr.refuses(&["erase", "ada@dev.example"], 2, "--yes");
    assert!(dcr.prints(&["erase", "ada@dev.example", "--dry-run"]).contains("would erase"));
    assert!(is_alive(&*store, &session).await, "asking changes nothing");
    let receipt = dcr.json(&["erase", "ada@dev.example", "--yes", "--reason", "asked for it"]);
    assert_eq!((&receipt["user_id"], &receipt["sessions"]), (&Value::from(ada.id.as_str()), &Value::from(1)));
    assert_eq!((&receipt["actor"], &receipt["events"]), (&Value::from("command"), &Value::from(1)));
    assert_eq!(store.session(session.id).await.unwrap(), None);
    assert!(is_alive(&*store, &of_bob).await);
    assert_eq!(dcr.prints(&["users", "ada@dev.example"]), "nobody found\n");
    let record = dcr.prints(&["events"]);
    assert!(!record.contains(ada.id.as_str()) && record.contains(r#""kind":"erased""#), "{record}");
    let marker = receipt["marker"].as_str().unwrap();
    assert_eq!(dcr.prints(&["events", marker]).lines().count(), 2);
    assert!(dcr.prints(&["erase", ada.id.as_str(), "--yes"]).contains("nothing is known"));
}

pub(crate) async fn the_doctor_says_what_is_wrong_and_what_to_do(dcr: Dcr) {
    let store = dcr.store().await;
    let ada = person("ada");
    for n in 0..45 {
        sign_in(&*store, &ada, "cursor", &format!("client-{n}"), NOW).await;
    }
    sign_in(&*store, &ada, "cursor", "client-1", LONG_AGO).await;
    let good = "w06o91SHpq0Gi2EnOwnYuTc5TGPqDQwoN8iDyEQUpqs=";
    let health = dcr.with("DCR_SECRET", good).json(&["doctor", "--json"]);
    for (name, value) in
        [("users", 1), ("connections", 1), ("live_sessions", 45), ("lapsed_sessions", 1), ("sweepable_sessions", 1)]
    {
        assert_eq!(health[name], value, "{name}");
    }
    assert!(health["clock_seconds_ahead"].as_f64().unwrap().abs() < 5.0, "{health}");
    let findings = health["findings"].as_array().unwrap();
    assert!(findings.len() == 1 && findings[0]["text"].as_str().unwrap().contains("45 live sessions"), "{health}");
    let text = dcr.with("DCR_SECRET", good).prints(&["doctor"]);
    assert!(text.contains("1 active, 0 retired") && text.contains("ada@dev.example"), "{text}");

    for (secret, retired, what) in [
        ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "", "placeholder"),
        ("c2hvcnQ=", "", "32 bytes"),
        (good, good, "twice"),
    ] {
        let ended = dcr.with("DCR_SECRET", secret).with("DCR_SECRET_RETIRED", retired).run(&["doctor"]);
        assert!(ended.code == 1 && ended.out.contains("PROBLEM") && ended.out.contains(what), "{ended:?}");
        assert!(!ended.out.contains(secret), "OP-5");
    }

    let kept = store.keep_secret(dcr_core::Secret::generate(&SystemRandom).unwrap()).await.unwrap();
    assert!(dcr.with("DCR_SECRET", good).prints(&["doctor"]).contains("DCR_SECRET_RETIRED"));
    assert!(dcr.prints(&["doctor"]).contains("the database keeps the secret"));
    dcr.refuses(&["secret", "kept"], 2, "--yes");
    assert_eq!(dcr.prints(&["secret", "kept", "--yes"]).trim(), kept.to_base64());
    let both = format!("{good}, {}", kept.to_base64());
    assert!(!dcr.with("DCR_SECRET", &both).prints(&["doctor"]).contains("DCR_SECRET_RETIRED ("));

    let future = SystemClock.now() + Duration::from_secs(600);
    let mut event = store.events(&EventQuery { limit: 1, ..EventQuery::default() }).await.unwrap().remove(0);
    (event.id, event.at) = (EventId::from_bytes([0xee; 16]), future);
    store.record(event).await.unwrap();
    let ended = dcr.run(&["doctor"]);
    assert!(ended.code == 1 && ended.out.contains("in the future"), "{ended:?}");
}

/// The database is the copy already: what happened after it is in the file only.
pub(crate) async fn a_recovery_ends_again_what_was_ended_and_opens_the_window(dcr: Dcr) {
    let store = dcr.store().await;
    let (ada, bob) = (person("ada"), person("bob"));
    let killed = sign_in(&*store, &ada, "cursor", "client-1", NOW).await;
    let alive = sign_in(&*store, &ada, "cursor", "client-2", NOW).await;
    let blocked = sign_in(&*store, &bob, "cursor", "client-3", NOW).await;
    let at = SystemClock.now();
    let line = |n: u8, kind: &str, what: String| {
        let id = EventId::from_bytes([n; 16]);
        format!(r#"{{"id":"{id}","at":"{at}","kind":"{kind}","reason":"operator",{what}}}"#)
    };
    // Newest first, as `dcr events` prints them.
    let record = [
        line(3, "blocked", format!(r#""user":"{}""#, bob.id)),
        line(2, "revoked", format!(r#""session":"{}""#, killed.id)),
        line(1, "signed_in", format!(r#""session":"{}""#, alive.id)),
    ]
    .join("\n");
    let file = dcr.file("events.jsonl");
    let events = file.to_str().unwrap();

    std::fs::write(&file, format!("{record}\n{{\"id\":\"cut off")).unwrap();
    dcr.refuses(&["recover", "--until", "1h", "--events", events, "--yes"], 2, "line 4");
    std::fs::write(&file, format!("{record}\n")).unwrap();
    dcr.refuses(&["recover", "--until", "1h", "--events", events], 2, "--yes");
    dcr.refuses(&["recover", "--until", "1h", "--yes"], 2, "--events");
    dcr.refuses(&["recover", "--until", "32d", "--events", events, "--yes"], 2, "31 days");
    dcr.refuses(&["recover", "--until", "2020-01-01T00:00:00Z", "--events", events, "--yes"], 2, "future");
    dcr.refuses(&["recover", "--until", "soon", "--events", events, "--yes"], 2, "2026-11-24T09:30:00Z");
    let would = dcr.prints(&["recover", "--until", "1h", "--events", events, "--dry-run"]);
    assert!(would.contains("would replay 3 events"), "{would}");
    assert!(is_alive(&*store, &killed).await && store.recovery_until().await.unwrap().is_none());

    let said = dcr.prints(&["recover", "--until", "1h", "--events", events, "--yes"]);
    assert!(said.contains("2 sessions ended, 1 block set"), "{said}");
    assert!(!is_alive(&*store, &killed).await && !is_alive(&*store, &blocked).await && is_alive(&*store, &alive).await);
    assert!(store.blocked(&[Target::User(bob.id)]).await.unwrap().is_some());
    assert!(store.recovery_until().await.unwrap().unwrap() > SystemClock.now() + Duration::from_secs(3_000));
    assert!(dcr.prints(&["doctor"]).contains("recovery window is open"));
    let again = dcr.prints(&["recover", "--replay-only", "--events", events, "--yes"]);
    assert!(again.contains("0 sessions ended"), "{again}");

    assert!(dcr.prints(&["recover", "--close"]).contains("closed"));
    assert!(store.recovery_until().await.unwrap().unwrap() <= SystemClock.now());
    let exported = dcr.prints(&["events", "--since", &at.to_string()]);
    assert!(exported.lines().all(|line| dcr_core::record::Event::from_json(line).is_ok()), "{exported}");
    let kinds = ["recovery_opened", "blocked", "revoked"];
    assert!(kinds.iter().all(|kind| exported.contains(kind)), "{exported}");
}

pub(crate) async fn clients_are_pinned_changed_and_taken_away(dcr: Dcr) {
    let store = dcr.store().await;
    let id = ClientId::new("portal").unwrap();
    assert!(dcr.prints(&["clients"]).contains("no client is pinned"));
    let pin = ["pin", "portal", "--redirect", "https://portal.example/cb", "--name", "Portal", "--remember-days", "30"];
    dcr.prints(&pin);
    let pinned = store.client(&id).await.unwrap().unwrap();
    assert_eq!((pinned.kind(), pinned.version()), ("pinned", 1));
    assert_eq!(pinned.as_pinned().unwrap().client_name(), Some("Portal"));

    let secret = dcr.prints(&[&pin[..], &["--secret", "--scope", "mcp"]].concat());
    let secret = secret.trim();
    assert_eq!(secret.len(), 44, "a secret and nothing else: {secret}");
    let row = store.client(&id).await.unwrap().unwrap();
    assert_eq!((row.version(), row.as_pinned().unwrap().auth_method().as_str()), (2, "client_secret_basic"));
    assert!(!row.body().contains(secret), "I-14");
    let listed = dcr.json(&["clients", "--json"]);
    assert_eq!(listed[0]["pinned"]["redirect_uris"][0], "https://portal.example/cb");
    assert!(dcr.prints(&["clients"]).contains("client_secret_basic"));

    let job = dcr.prints(&["pin", "job", "--machine", "--secret", "client-secret-post", "--dry-run"]);
    assert!(job.starts_with('{') && job.contains("client_credentials"), "{job}");
    assert_eq!(store.client(&ClientId::new("job").unwrap()).await.unwrap(), None, "a dry run");

    let session = sign_in(&*store, &person("ada"), "other", "portal", NOW).await;
    dcr.refuses(&["unpin", "portal"], 2, "--yes");
    assert!(dcr.prints(&["unpin", "portal", "--dry-run"]).contains("end 1 session"));
    assert!(is_alive(&*store, &session).await);
    assert!(dcr.prints(&["unpin", "portal", "--yes"]).contains("1 session ended"));
    assert!(!is_alive(&*store, &session).await);
    assert_eq!(store.client(&id).await.unwrap(), None);
    assert!(dcr.prints(&["unpin", "portal", "--yes"]).contains("is not pinned"));
    let events = store.events(&EventQuery { limit: 100, ..EventQuery::default() }).await.unwrap();
    let pins = events.iter().filter(|event| event.kind == EventKind::ClientPinned);
    assert_eq!(pins.filter(|event| event.client_id == Some(id.clone())).count(), 3);
}

pub(crate) async fn what_cannot_be_pinned_is_refused_with_what_to_write(dcr: Dcr) {
    dcr.refuses(&["pin", "portal"], 2, "redirect_uris");
    dcr.refuses(&["pin", "portal", "--redirect", "http://portal.example/cb"], 2, "http://portal.example/cb");
    dcr.refuses(&["pin", "with space", "--redirect", "https://a.example/"], 2, "visible ASCII");
    dcr.refuses(&["pin", "job", "--machine"], 2, "needs a secret");
    dcr.refuses(&["pin", "a", "--redirect", "https://a.example/", "--remember-days", "400"], 2, "between 1 and 365");
    dcr.refuses(&["pin", "a", "--redirect", "https://a.example/", "--jwks", "/nowhere.json"], 1, "cannot be read");
    assert!(dcr.prints(&["clients"]).contains("no client is pinned"));
}

pub(crate) async fn what_people_use_and_what_is_blocked_is_listed(dcr: Dcr) {
    assert_eq!(dcr.prints(&["blocks"]), "nothing is blocked\n");
    assert_eq!(dcr.prints(&["platforms"]), "nobody uses anything\n");
    assert_eq!(dcr.prints(&["clients", "--used"]), "nobody uses a client\n");
    let store = dcr.store().await;
    let (ada, bob) = (person("ada"), person("bob"));
    sign_in(&*store, &ada, "cursor", "client-one", NOW).await;
    sign_in(&*store, &ada, "claude-web", "client-two", NOW).await;
    sign_in(&*store, &bob, "cursor", "client-one", NOW).await;
    sign_in(&*store, &bob, "cursor", "client-one", LONG_AGO).await;
    let used = dcr.json(&["clients", "--used", "--json"]);
    let expected = serde_json::json!([
        { "client_id": "client-one", "people": 2, "live_sessions": 2, "imported": false },
        { "client_id": "client-two", "people": 1, "live_sessions": 1, "imported": false },
    ]);
    assert_eq!(used, expected);
    let expected = serde_json::json!([
        { "platform": "claude-web", "people": 1, "connections": 1, "live_sessions": 1 },
        { "platform": "cursor", "people": 2, "connections": 2, "live_sessions": 2 },
    ]);
    assert_eq!(dcr.json(&["platforms", "--json"]), expected);
    let table = dcr.prints(&["clients", "--used"]);
    assert!(table.starts_with("PEOPLE  LIVE SESSIONS  CLIENT ID\n2 "), "{table}");

    dcr.prints(&["block", "client-id", "client-two", "--yes", "--reason", "leaked"]);
    dcr.prints(&["block", "user", "bob@dev.example", "--yes"]);
    let blocks = serde_json::json!([
        { "kind": "client_id", "target": "client-two" },
        { "kind": "user", "target": bob.id.as_str() },
    ]);
    assert_eq!(dcr.json(&["blocks", "--json"]), blocks);
    let of_kind = dcr.prints(&["blocks", "--kind", "client-id"]);
    assert!(of_kind.contains("client-id  client-two") && !of_kind.contains(bob.id.as_str()), "{of_kind}");
    dcr.refuses(&["blocks", "--kind", "session"], 2, "client-id");

    let by_command = dcr.prints(&["events", "--actor", "command"]);
    assert_eq!(by_command.lines().count(), 2, "{by_command}");
    let leaked = dcr.prints(&["events", "--actor", "command", "--reason", "leaked"]);
    assert!(leaked.lines().count() == 1 && leaked.contains("client-two"), "{leaked}");
    let by_ada = format!("admin:{}", ada.id);
    assert_eq!(dcr.prints(&["events", "--actor", &by_ada]), "");
    dcr.refuses(&["events", "--actor", "ada"], 2, "admin:usr_");
}
