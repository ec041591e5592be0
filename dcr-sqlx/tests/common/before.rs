//! A database as version 8 of the tables left it.

use dcr_core::session::{CodeChallenge, Session, SessionEnd};
use dcr_core::store::SignIn;
use dcr_core::{ClientId, ScopeSet};

use crate::rows::{at, sign_in};

/// A challenge as it was kept, with a character that only the alphabet of URLs has, and the bytes that it stands for (RFC
/// 7636 appendix B).
const CHALLENGE: (&str, [u8; 32]) = (
    "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    [
        0x13, 0xd3, 0x1e, 0x96, 0x1a, 0x1a, 0xd8, 0xec, 0x2f, 0x16, 0xb1, 0x0c, 0x4c, 0x98, 0x2e, 0x08, 0x76, 0xa8,
        0x78, 0xad, 0x6d, 0xf1, 0x44, 0x56, 0x6e, 0xe1, 0x89, 0x4a, 0xcb, 0x70, 0xf9, 0xc3,
    ],
);

/// Of one connection: two sessions alike, and one of another client for something else, which ended.
pub(crate) fn sign_ins() -> [SignIn; 3] {
    let mut all = [1, 2, 3].map(sign_in);
    for one in &mut all {
        one.session.connection = sign_in(1).new_connection;
        one.session.code_challenge = CodeChallenge::from_bytes(CHALLENGE.1);
    }
    all[1].session.adopted_secret = Some([7; 32]);
    all[2].session.client_id = ClientId::new("Client").unwrap();
    all[2].session.resource = "https://mcp.example/other".to_owned();
    all[2].session.scope = ScopeSet::parse_lossy("a b");
    all[2].session.redeemed_at = Some(at(4));
    all[2].session.ended = Some(SessionEnd { at: at(5), reason: "test".to_owned() });
    all
}

/// The statements that wrote them. `bytes` and `text` write what a column of bytes and one of somebody's text has.
pub(crate) fn rows(bytes: fn(&[u8]) -> String, text: fn(&str) -> String) -> String {
    let all = sign_ins();
    let user = &all[0].user;
    let connection = bytes(all[0].new_connection.as_bytes());
    let id = user.id.as_str();
    let mut sql = format!(
        "INSERT INTO dcr_users (user_id, issuer, tenant, object_id, name) VALUES ('{id}', {}, {}, {}, {});\n\
         INSERT INTO dcr_connections (connection_id, user_id, software, platform, created_at, last_sign_in_at) \
         VALUES ({connection}, '{id}', {}, {}, {}, {});\n",
        text(&user.issuer),
        text(&user.tenant),
        text(&user.object_id),
        text("Ada"),
        bytes(all[0].software.as_str().as_bytes()),
        bytes(all[0].session.platform.as_str().as_bytes()),
        at(1).unix_micros(),
        at(3).unix_micros(),
    );
    for session in [&all[0].session, &all[2].session] {
        let client = bytes(session.client_id.as_str().as_bytes());
        let at = session.created_at.unix_micros();
        sql += &format!(
            "INSERT INTO dcr_aliases (connection_id, client_id, first_used_at, last_used_at) \
             VALUES ({connection}, {client}, {at}, {at});\n"
        );
    }
    // Nobody has a session with it any more.
    sql += &format!(
        "INSERT INTO dcr_aliases (connection_id, client_id, first_used_at, last_used_at) VALUES ({connection}, {}, 0, 0);\n",
        bytes(b"of-long-ago")
    );
    for one in &all {
        sql += &session(&one.session, bytes, text);
    }
    sql
}

fn session(session: &Session, bytes: fn(&[u8]) -> String, text: fn(&str) -> String) -> String {
    let null = || "NULL".to_owned();
    let time = |at: dcr_core::Timestamp| at.unix_micros().to_string();
    let values = [
        bytes(session.id.as_bytes()),
        bytes(session.connection.as_bytes()),
        format!("'{}'", session.user.as_str()),
        bytes(session.client_id.as_str().as_bytes()),
        format!("'{}'", session.provenance.as_str()),
        bytes(session.platform.as_str().as_bytes()),
        format!("'{}'", session.auth_method.as_str()),
        session.adopted_secret.map_or_else(null, |secret| bytes(&secret)),
        bytes(session.redirect_uri.as_bytes()),
        format!("'{}'", CHALLENGE.0),
        text(&session.resource),
        format!("'{}'", session.scope),
        u8::from(session.refreshable).to_string(),
        session.generation.get().to_string(),
        time(session.created_at),
        session.redeemed_at.map_or_else(null, time),
        time(session.advanced_at),
        time(session.expires_at),
        time(session.absolute_expires_at),
        session.ended.as_ref().map_or_else(null, |end| time(end.at)),
        session.ended.as_ref().map_or_else(null, |end| text(&end.reason)),
    ];
    format!(
        "INSERT INTO dcr_sessions (session_id, connection_id, user_id, client_id, provenance, platform, auth_method, \
         adopted_secret, redirect_uri, code_challenge, resource, scope, refreshable, generation, created_at, redeemed_at, \
         advanced_at, expires_at, absolute_expires_at, ended_at, end_reason) VALUES ({});\n",
        values.join(", ")
    )
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The files of the first eight migrations, in order, with their texts.
pub(crate) fn migrations(folder: &str) -> Vec<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().take(8).map(|file| std::fs::read_to_string(file).unwrap()).collect()
}

/// What became of them.
pub(crate) async fn are_there(store: &dyn dcr_core::store::Store) {
    let all = sign_ins();
    let sessions = store.sessions_of(all[0].new_connection).await.unwrap();
    assert_eq!(sessions, all.clone().map(|one| one.session));
    for one in &all {
        let view = store.session(one.session.id).await.unwrap().unwrap();
        assert_eq!((view.session, view.user), (one.session.clone(), one.user.clone()));
    }
    let aliases = store.connection(all[0].new_connection).await.unwrap().unwrap().aliases;
    let aliases: Vec<_> = aliases.iter().map(ClientId::as_str).collect();
    assert_eq!(aliases, ["of-long-ago", all[0].session.client_id.as_str(), all[2].session.client_id.as_str()]);
    // And it goes on.
    store.sign_in(sign_in(4)).await.unwrap();
    assert_eq!(store.counts().await.unwrap().sessions, 4);
    assert_eq!(store.sessions_of(all[0].new_connection).await.unwrap().len(), 4);
}
