//! What SQLite and MySQL write alike.

use super::{
    client_unused, client_uses, event_columns, none_live, not_imported, one_ended, session_columns, session_row,
    session_tables, terms_unused, user_columns, users,
};
use crate::dialect::Statements;

macro_rules! end {
    ($target:literal) => {
        concat!(
            "UPDATE dcr_sessions SET ended_at = ?, end_reason = ? WHERE ",
            $target,
            " = ? AND ended_at IS NULL AND created_at <= ?"
        )
    };
}

/// Null stands for whatever the column has, its own null included: no value that is asked for is empty. Text is compared by
/// its digits, since MySQL would leave out spaces at its end.
macro_rules! requests {
    ($column:literal) => {
        concat!(
            "SELECT request_id, user_id, session_id, at, method, tool, status, address FROM dcr_requests WHERE ",
            $column,
            " = ? AND request_id < ? ORDER BY request_id DESC LIMIT ?"
        )
    };
}

macro_rules! events {
    ($last:literal) => {
        concat!(
            "SELECT ",
            event_columns!(),
            " FROM dcr_events WHERE ",
            "COALESCE(user_id, '') = COALESCE(?, user_id, '') \
             AND COALESCE(session_id, x'') = COALESCE(?, session_id, x'') \
             AND COALESCE(connection_id, x'') = COALESCE(?, connection_id, x'') \
             AND COALESCE(client_id, x'') = COALESCE(?, client_id, x'') \
             AND COALESCE(platform, x'') = COALESCE(?, platform, x'') \
             AND kind = COALESCE(?, kind) AND HEX(reason) = HEX(COALESCE(?, reason)) \
             AND COALESCE(reference, '') = COALESCE(?, reference, '') \
             AND COALESCE(actor, 'unknown') = COALESCE(?, actor, 'unknown') \
             AND at >= ? AND at <= ? AND (at < ? OR event_id < ?)",
            $last,
            " ORDER BY at DESC, event_id DESC LIMIT ?"
        )
    };
}
pub(super) use events;

/// On events that fit, a marker in the place of the user, and nothing else that leads to them.
macro_rules! erase_events {
    ($filter:literal) => {
        concat!(
            "UPDATE dcr_events SET user_id = ?, connection_id = NULL, session_id = NULL, client_id = NULL WHERE ",
            $filter
        )
    };
}

/// Empty where they differ; each of the two fills that in.
pub(super) const ALIKE: Statements = Statements {
    begin: "",
    hold_blocks: "",
    change_blocks: "",

    put_user: "",
    put_connection: "",
    terms: "SELECT i.client, t.terms FROM dcr_client_ids AS i JOIN dcr_terms AS t ON t.client = i.client \
         WHERE i.client_id = ? AND t.provenance = ? AND t.platform = ? AND t.auth_method = ? AND t.resource = ? AND t.scope = ? \
         ORDER BY t.terms LIMIT 1",
    client_number: "SELECT client FROM dcr_client_ids WHERE client_id = ?",
    add_client_id: "",
    add_terms: "INSERT INTO dcr_terms (client, provenance, platform, auth_method, resource, scope) \
         VALUES ((SELECT client FROM dcr_client_ids WHERE client_id = ?), ?, ?, ?, ?, ?)",
    unused_terms: concat!("SELECT terms FROM dcr_terms WHERE ", terms_unused!(), " LIMIT ?"),
    drop_terms: concat!("DELETE FROM dcr_terms WHERE terms = ? AND ", terms_unused!()),
    unused_clients: concat!("SELECT client FROM dcr_client_ids WHERE ", client_unused!(), " LIMIT ?"),
    drop_client_number: concat!("DELETE FROM dcr_client_ids WHERE client = ? AND ", client_unused!()),
    find_connection: "SELECT connection_id FROM dcr_connections WHERE user_id = ? AND software = ?",
    put_alias: "",
    count_aliases: concat!("SELECT COUNT(*) FROM dcr_aliases WHERE connection_id = ? AND ", not_imported!()),
    unused_aliases: concat!(
        "SELECT dcr_aliases.client FROM dcr_aliases JOIN dcr_client_ids AS i ON i.client = dcr_aliases.client \
         WHERE connection_id = ? AND dcr_aliases.client <> ? AND ",
        not_imported!(),
        " ORDER BY last_used_at, first_used_at, i.client_id LIMIT ?"
    ),
    drop_alias: "DELETE FROM dcr_aliases WHERE connection_id = ? AND client = ?",
    idle_sessions: "SELECT session_id FROM dcr_sessions \
         WHERE connection_id = ? AND ended_at IS NULL AND expires_at > ? ORDER BY advanced_at, session_id",
    add_session: concat!(
        "INSERT INTO dcr_sessions (",
        session_row!(),
        ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    ),
    add_event: concat!("INSERT INTO dcr_events (", event_columns!(), ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),

    session: concat!("SELECT ", session_columns!(), " FROM ", session_tables!(), " WHERE s.session_id = ?"),
    session_view: concat!(
        "SELECT ",
        session_columns!(),
        ", u.user_id, u.issuer, u.tenant, u.object_id, u.name, u.email, u.member_of, u.roles FROM ",
        session_tables!(),
        " JOIN dcr_users AS u ON u.user_id = c.user_id WHERE s.session_id = ?"
    ),
    redeem: "",
    refresh: "",
    advance_many: "",
    plain_sign_ins: "",
    add_many_terms: "",
    many_terms: "",
    put_sign_ins: "",
    catch_up: "",

    not_ended_session: "",
    not_ended_of_connection: "",
    not_ended_of_user: "",
    not_ended_of_client: "",
    not_ended_of_platform: "",
    end_session: end!("session_id"),
    end_connection: end!("connection_id"),
    end_user: "",
    end_client: "",
    end_platform: "",
    ended_since: "SELECT session_id, ended_at FROM dcr_sessions WHERE ended_at >= ? UNION ALL \
         SELECT session_id, ended_at FROM dcr_erased_sessions WHERE ended_at >= ?",

    block: "",
    unblock: "DELETE FROM dcr_blocks WHERE kind = ? AND target = ?",
    blocks_among: "SELECT kind, target FROM dcr_blocks WHERE (kind = ? AND target = ?) OR (kind = ? AND target = ?) \
         OR (kind = ? AND target = ?) OR (kind = ? AND target = ?)",
    blocks: "SELECT kind, target FROM dcr_blocks WHERE kind = COALESCE(?, kind) AND (kind, target) > (?, ?) \
         ORDER BY kind, target LIMIT ?",

    connections_of: "SELECT c.connection_id, c.user_id, c.software, c.platform, c.created_at, c.last_sign_in_at, \
         i.client_id FROM dcr_connections AS c LEFT JOIN dcr_aliases AS a ON a.connection_id = c.connection_id \
         LEFT JOIN dcr_client_ids AS i ON i.client = a.client \
         WHERE c.user_id = ? ORDER BY c.created_at, c.connection_id, a.first_used_at, i.client_id",
    connection: "SELECT c.connection_id, c.user_id, c.software, c.platform, c.created_at, c.last_sign_in_at, \
         i.client_id FROM dcr_connections AS c LEFT JOIN dcr_aliases AS a ON a.connection_id = c.connection_id \
         LEFT JOIN dcr_client_ids AS i ON i.client = a.client \
         WHERE c.connection_id = ? ORDER BY a.first_used_at, i.client_id",
    sessions_of: concat!(
        "SELECT ",
        session_columns!(),
        " FROM ",
        session_tables!(),
        " WHERE s.connection_id = ? ORDER BY s.created_at, s.session_id"
    ),
    counts: "SELECT (SELECT COUNT(*) FROM dcr_users), (SELECT COUNT(*) FROM dcr_connections), \
         (SELECT COUNT(*) FROM dcr_aliases), (SELECT COUNT(*) FROM dcr_sessions), \
         (SELECT COUNT(*) FROM dcr_blocks), (SELECT COUNT(*) FROM dcr_events), \
         (SELECT COUNT(*) FROM dcr_imported_clients), (SELECT COUNT(*) FROM dcr_client_rows), \
         (SELECT COUNT(*) FROM dcr_spent), (SELECT COUNT(*) FROM dcr_upstream_tokens)",
    events: events!(""),
    events_of_user: events!(" AND user_id = ?"),
    events_of_session: events!(" AND session_id = ?"),
    events_of_connection: events!(" AND connection_id = ?"),
    events_of_client: events!(" AND client_id = ?"),
    events_of_reference: events!(" AND reference = ?"),
    events_of_actor: events!(" AND actor = ? AND actor <> 'person'"),
    events_of_reason: "",

    sessions_to_erase: "",
    keep_ends: "INSERT INTO dcr_erased_sessions (session_id, ended_at) \
         SELECT s.session_id, COALESCE(s.ended_at, ?) FROM dcr_connections AS c \
         JOIN dcr_sessions AS s ON s.connection_id = c.connection_id WHERE c.user_id = ?",
    erase_events_of_user: erase_events!("user_id = ?"),
    erase_events_of_sessions: erase_events!(
        "session_id IN (SELECT s.session_id FROM dcr_connections AS c \
         JOIN dcr_sessions AS s ON s.connection_id = c.connection_id WHERE c.user_id = ?)"
    ),
    erase_events_of_connections: erase_events!(
        "connection_id IN (SELECT connection_id FROM dcr_connections WHERE user_id = ?)"
    ),
    erase_actor: "UPDATE dcr_events SET actor = ? WHERE actor = ? AND actor <> 'person'",
    erase_sessions: "",
    erase_upstream_tokens: "DELETE FROM dcr_upstream_tokens WHERE user_id = ?",
    erase_aliases: "",
    erase_connections: "DELETE FROM dcr_connections WHERE user_id = ?",
    erase_user: "DELETE FROM dcr_users WHERE user_id = ?",
    sweep_erased: "",

    add_count: "",
    funnel: "SELECT hour, platform, step, outcome, number FROM dcr_funnel WHERE hour >= ? AND hour < ? \
         AND (hour, platform, step, outcome) > (?, ?, ?, ?) ORDER BY hour, platform, step, outcome LIMIT ?",
    funnel_sums: "",
    sweep_events: "",
    sweep_funnel: "",

    add_request: "",
    requests_of_session: requests!("session_id"),
    requests_of_user: requests!("user_id"),
    sweep_requests: "",
    erase_requests: "DELETE FROM dcr_requests WHERE user_id = ?",

    import_user: "",
    import_connection: "",
    import_alias: "",
    import_client: "",
    imported_client: "SELECT client_id, name, redirects FROM dcr_imported_clients WHERE client_id = ?",
    any_imported: "SELECT COUNT(*) FROM (SELECT client_id FROM dcr_imported_clients LIMIT 1) AS one",
    client: "SELECT client_id, version, kind, body FROM dcr_client_rows WHERE client_id = ?",
    any_client: "SELECT COUNT(*) FROM (SELECT client_id FROM dcr_client_rows LIMIT 1) AS one",
    clients: "SELECT client_id, version, kind, body FROM dcr_client_rows WHERE client_id > ? ORDER BY client_id LIMIT ?",
    add_client: "",
    change_client: "UPDATE dcr_client_rows SET kind = ?, version = ?, body = ? WHERE client_id = ? AND version = ?",
    drop_client: "DELETE FROM dcr_client_rows WHERE client_id = ? AND kind = ?",
    put_upstream_token: "",
    hold_ended_upstream_tokens: "",
    hold_idle_upstream_tokens: "",
    upstream_token: "SELECT sealed, version, leased_until, refreshed_at FROM dcr_upstream_tokens \
        WHERE user_id = ? AND grant_id = ?",
    lease_upstream_token: "UPDATE dcr_upstream_tokens SET leased_until = ? \
        WHERE user_id = ? AND grant_id = ? AND version = ? AND leased_until <= ?",
    replace_upstream_token: "UPDATE dcr_upstream_tokens \
        SET sealed = ?, version = ?, refreshed_at = ?, leased_until = 0 \
        WHERE user_id = ? AND grant_id = ? AND version = ?",
    drop_upstream_token: "DELETE FROM dcr_upstream_tokens WHERE user_id = ? AND grant_id = ? AND version = ?",
    drop_ended_upstream_tokens: concat!(
        "DELETE FROM dcr_upstream_tokens WHERE ",
        one_ended!("?"),
        " AND ",
        none_live!("?")
    ),
    drop_idle_upstream_tokens: concat!("DELETE FROM dcr_upstream_tokens WHERE refreshed_at < ? AND ", none_live!("?")),
    use_up: "",
    sweep_used: "",
    put_recovery: "",
    recovery: "SELECT until_at FROM dcr_recovery WHERE slot = 1",

    users: users!(""),
    users_by_id: users!("user_id = ? AND "),
    users_by_object: "",
    users_by_email: "",
    users_by_client: users!(
        "user_id IN (SELECT c.user_id FROM dcr_client_ids AS i JOIN dcr_aliases AS a ON a.client = i.client \
         JOIN dcr_connections AS c ON c.connection_id = a.connection_id WHERE i.client_id = ?) AND "
    ),
    users_by_text: "",
    census: "SELECT COUNT(CASE WHEN ended_at IS NULL AND expires_at > ? THEN 1 END), \
         COUNT(CASE WHEN ended_at IS NULL AND expires_at <= ? THEN 1 END), COUNT(ended_at) FROM dcr_sessions",
    busiest: "",
    client_uses: client_uses!("?", "", "?", "?"),
    client_use: client_uses!("?", "i.client_id = ? AND ", "?", "?"),
    platform_uses: "",

    sweep_lapsed: "",
    sweep_ended: "",
    put_secret: "",
    secret: "SELECT secret FROM dcr_secret WHERE slot = 1",

    server_time: "",
    sweepable: "SELECT COUNT(*) FROM dcr_sessions WHERE expires_at < ? OR ended_at < ?",
};
