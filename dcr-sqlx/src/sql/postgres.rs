//! PostgreSQL.
//!
//! Transactions run at READ COMMITTED behind explicit locks, or at SERIALIZABLE where that is the database's default.
//! Both are begun here; see the crate's front page for the reasons.

use std::time::Duration;

use sqlx::Postgres;
use sqlx::error::DatabaseError;

use super::{
    busiest, client_unused, client_uses, event_columns, none_live, not_asked_for, not_imported, of_client, of_platform,
    of_user, one_ended, platform_uses, session_columns, session_row, session_tables, terms_unused, user_columns,
};
use crate::dialect::{Dialect, Fault, Statements, driver_calls};

/// A transaction, and how long it may wait: for a lock, in one statement, and for us. `LOCAL`, since behind a proxy the
/// connection is somebody else's afterwards.
macro_rules! begin {
    ($isolation:literal) => {
        concat!(
            "BEGIN ISOLATION LEVEL ",
            $isolation,
            "; SET LOCAL lock_timeout = '4s'; SET LOCAL statement_timeout = '5s'; \
             SET LOCAL idle_in_transaction_session_timeout = '10s'"
        )
    };
}

pub(crate) const BEGIN_SERIALIZABLE: &str = begin!("SERIALIZABLE");

/// The sessions of a target that have not ended, locked, and their end.
macro_rules! not_ended {
    ($target:expr) => {
        concat!(
            "SELECT session_id FROM dcr_sessions WHERE ",
            $target,
            " AND ended_at IS NULL AND created_at <= $2 ORDER BY session_id FOR UPDATE"
        )
    };
}
macro_rules! end {
    ($target:expr) => {
        concat!(
            "UPDATE dcr_sessions SET ended_at = $1, end_reason = $2 WHERE ",
            $target,
            " AND ended_at IS NULL AND created_at <= $4"
        )
    };
}

/// Null stands for whatever the column has, its own null included: no value that is asked for is empty.
macro_rules! requests {
    ($column:literal) => {
        concat!(
            "SELECT request_id, user_id, session_id, at, method, tool, status, address FROM dcr_requests WHERE ",
            $column,
            " = $1 AND request_id < $2 ORDER BY request_id DESC LIMIT $3"
        )
    };
}

macro_rules! events {
    ($filter:literal, $limit:literal) => {
        concat!(
            "SELECT ",
            event_columns!(),
            " FROM dcr_events WHERE ",
            $filter,
            "COALESCE(user_id, '') = COALESCE($1, user_id, '') \
             AND COALESCE(session_id, ''::bytea) = COALESCE($2, session_id, ''::bytea) \
             AND COALESCE(connection_id, ''::bytea) = COALESCE($3, connection_id, ''::bytea) \
             AND COALESCE(client_id, ''::bytea) = COALESCE($4, client_id, ''::bytea) \
             AND COALESCE(platform, ''::bytea) = COALESCE($5, platform, ''::bytea) \
             AND kind = COALESCE($6, kind) AND reason = COALESCE($7, reason) \
             AND COALESCE(reference, '') = COALESCE($8, reference, '') \
             AND COALESCE(actor, 'unknown') = COALESCE($9, actor, 'unknown') \
             AND at >= $10 AND at <= $11 AND (at < $12 OR event_id < $13) ORDER BY at DESC, event_id DESC LIMIT ",
            $limit
        )
    };
}

/// On events that fit, a marker in the place of the user, and nothing else that leads to them.
macro_rules! erase_events {
    ($filter:literal) => {
        concat!(
            "UPDATE dcr_events SET user_id = $1, connection_id = NULL, session_id = NULL, client_id = NULL WHERE ",
            $filter
        )
    };
}

macro_rules! users {
    ($filter:literal, $after:literal, $limit:literal) => {
        concat!(
            "SELECT ",
            user_columns!(),
            " FROM dcr_users WHERE ",
            $filter,
            "user_id > ",
            $after,
            " ORDER BY user_id LIMIT ",
            $limit
        )
    };
}

/// Of a session that is updated: whose it is, and its terms.
macro_rules! its_tables {
    () => {
        "dcr_connections AS c, dcr_terms AS t, dcr_client_ids AS i"
    };
}
macro_rules! its_rows {
    () => {
        "c.connection_id = s.connection_id AND t.terms = s.terms AND i.client = t.client"
    };
}

/// An array, so that the rows are chosen once. Rows that another sweep is about to delete are left to it.
macro_rules! sweep {
    ($time:literal) => {
        concat!(
            "DELETE FROM dcr_sessions WHERE session_id = ANY (ARRAY(SELECT session_id FROM dcr_sessions WHERE ",
            $time,
            " < $1 ORDER BY ",
            $time,
            " LIMIT $2 FOR UPDATE SKIP LOCKED))"
        )
    };
}

impl Dialect for Postgres {
    const SQL: Statements = Statements {
        begin: begin!("READ COMMITTED"),
        // Locks of tables queue up, those of rows do not: under a flood of sign-ins that share the row, one who wants it for
        // itself waits for ever. Nor do they write to the row, or fix what the transaction sees before they have waited.
        hold_blocks: "LOCK TABLE dcr_lock IN ROW SHARE MODE",
        change_blocks: "LOCK TABLE dcr_lock IN EXCLUSIVE MODE",

        put_user: "INSERT INTO dcr_users (user_id, issuer, tenant, object_id, name, email, member_of, roles) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
             ON CONFLICT (user_id) DO UPDATE SET name = excluded.name, email = excluded.email, \
             member_of = excluded.member_of, roles = excluded.roles",
        put_connection: "INSERT INTO dcr_connections \
             (connection_id, user_id, software, platform, created_at, last_sign_in_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (user_id, software) DO UPDATE \
             SET last_sign_in_at = excluded.last_sign_in_at RETURNING connection_id",
        terms: "SELECT i.client, t.terms FROM dcr_client_ids AS i JOIN dcr_terms AS t ON t.client = i.client \
             WHERE i.client_id = $1 AND t.provenance = $2 AND t.platform = $3 AND t.auth_method = $4 AND t.resource = $5 \
             AND t.scope = $6 ORDER BY t.terms LIMIT 1",
        client_number: "SELECT client FROM dcr_client_ids WHERE client_id = $1",
        add_client_id: "INSERT INTO dcr_client_ids (client_id) VALUES ($1) ON CONFLICT (client_id) DO NOTHING",
        add_terms: "INSERT INTO dcr_terms (client, provenance, platform, auth_method, resource, scope) \
             VALUES ((SELECT client FROM dcr_client_ids WHERE client_id = $1), $2, $3, $4, $5, $6)",
        unused_terms: concat!("SELECT terms FROM dcr_terms WHERE ", terms_unused!(), " LIMIT $1"),
        drop_terms: concat!("DELETE FROM dcr_terms WHERE terms = $1 AND ", terms_unused!()),
        unused_clients: concat!("SELECT client FROM dcr_client_ids WHERE ", client_unused!(), " LIMIT $1"),
        drop_client_number: concat!("DELETE FROM dcr_client_ids WHERE client = $1 AND ", client_unused!()),
        find_connection: "SELECT connection_id FROM dcr_connections WHERE user_id = $1 AND software = $2",
        put_alias: "INSERT INTO dcr_aliases (connection_id, client, first_used_at, last_used_at) \
             VALUES ($1, $2, $3, $4) \
             ON CONFLICT (connection_id, client) DO UPDATE SET last_used_at = excluded.last_used_at",
        count_aliases: concat!("SELECT COUNT(*) FROM dcr_aliases WHERE connection_id = $1 AND ", not_imported!()),
        unused_aliases: concat!(
            "SELECT dcr_aliases.client FROM dcr_aliases JOIN dcr_client_ids AS i ON i.client = dcr_aliases.client \
             WHERE connection_id = $1 AND dcr_aliases.client <> $2 AND ",
            not_imported!(),
            " ORDER BY last_used_at, first_used_at, i.client_id LIMIT $3"
        ),
        drop_alias: "DELETE FROM dcr_aliases WHERE connection_id = $1 AND client = $2",
        idle_sessions: "SELECT session_id FROM dcr_sessions \
             WHERE connection_id = $1 AND ended_at IS NULL AND expires_at > $2 ORDER BY advanced_at, session_id",
        add_session: concat!(
            "INSERT INTO dcr_sessions (",
            session_row!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
        ),
        add_event: concat!(
            "INSERT INTO dcr_events (",
            event_columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
        ),

        session: concat!("SELECT ", session_columns!(), " FROM ", session_tables!(), " WHERE s.session_id = $1"),
        session_view: concat!(
            "SELECT ",
            session_columns!(),
            ", u.user_id, u.issuer, u.tenant, u.object_id, u.name, u.email, u.member_of, u.roles FROM ",
            session_tables!(),
            " JOIN dcr_users AS u ON u.user_id = c.user_id WHERE s.session_id = $1"
        ),
        redeem: concat!(
            "UPDATE dcr_sessions AS s SET generation = $1, advanced_at = $2, \
             expires_at = LEAST($3, s.absolute_expires_at), redeemed_at = $4, adopted_secret = $5 FROM ",
            its_tables!(),
            " WHERE s.session_id = $6 AND s.generation = 0 AND s.ended_at IS NULL AND s.expires_at > $7 AND ",
            its_rows!(),
            " RETURNING ",
            session_columns!()
        ),
        refresh: concat!(
            "UPDATE dcr_sessions AS s SET generation = $1, advanced_at = $2, \
             expires_at = LEAST($3, s.absolute_expires_at) FROM ",
            its_tables!(),
            " WHERE s.session_id = $4 AND s.generation = $5 AND s.ended_at IS NULL AND s.expires_at > $6 AND ",
            its_rows!(),
            " RETURNING ",
            session_columns!()
        ),
        // A row that somebody else has locked is passed over: nobody waits for another one's, and no two of these for each
        // other.
        advance_many: concat!(
            "WITH a AS MATERIALIZED (SELECT decode(value ->> 0, 'hex') AS id, (value ->> 1)::bigint AS earlier, \
             (value ->> 2)::bigint AS later, (value ->> 3)::bigint AS now, (value ->> 4)::bigint AS until, \
             decode(value ->> 5, 'hex') AS secret FROM jsonb_array_elements($1::jsonb)), \
             free AS MATERIALIZED (SELECT s.session_id AS free_id FROM dcr_sessions AS s \
             WHERE s.session_id = ANY (ARRAY(SELECT id FROM a)) FOR NO KEY UPDATE SKIP LOCKED) \
             UPDATE dcr_sessions AS s SET generation = a.later, advanced_at = a.now, \
             expires_at = LEAST(a.until, s.absolute_expires_at), \
             redeemed_at = CASE a.earlier WHEN 0 THEN a.now ELSE s.redeemed_at END, \
             adopted_secret = CASE a.earlier WHEN 0 THEN a.secret ELSE s.adopted_secret END \
             FROM a JOIN free ON free.free_id = a.id, ",
            its_tables!(),
            " WHERE s.session_id = a.id AND s.generation = a.earlier AND s.ended_at IS NULL AND s.expires_at > a.now AND ",
            its_rows!(),
            " RETURNING ",
            session_columns!()
        ),
        plain_sign_ins: "",
        add_many_terms: "",
        many_terms: "",
        put_sign_ins: "",
        catch_up: "UPDATE dcr_sessions SET \
             adopted_secret = CASE WHEN generation = 0 THEN $1 ELSE adopted_secret END, generation = $2, \
             advanced_at = $3, expires_at = LEAST($4, absolute_expires_at), redeemed_at = COALESCE(redeemed_at, $5) \
             WHERE session_id = $6 AND generation < $7 AND ended_at IS NULL AND absolute_expires_at > $8",

        not_ended_session: not_ended!("session_id = $1"),
        not_ended_of_connection: not_ended!("connection_id = $1"),
        not_ended_of_user: not_ended!(of_user!("$1")),
        not_ended_of_client: not_ended!(of_client!("$1")),
        not_ended_of_platform: not_ended!(of_platform!("$1")),
        end_session: end!("session_id = $3"),
        end_connection: end!("connection_id = $3"),
        end_user: end!(of_user!("$3")),
        end_client: end!(of_client!("$3")),
        end_platform: end!(of_platform!("$3")),
        ended_since: "SELECT session_id, ended_at FROM dcr_sessions WHERE ended_at >= $1 UNION ALL \
             SELECT session_id, ended_at FROM dcr_erased_sessions WHERE ended_at >= $2",

        block: "INSERT INTO dcr_blocks (kind, target) VALUES ($1, $2) ON CONFLICT (kind, target) DO NOTHING",
        unblock: "DELETE FROM dcr_blocks WHERE kind = $1 AND target = $2",
        blocks_among: "SELECT kind, target FROM dcr_blocks WHERE (kind = $1 AND target = $2) OR (kind = $3 AND target = $4) \
             OR (kind = $5 AND target = $6) OR (kind = $7 AND target = $8)",
        blocks: "SELECT kind, target FROM dcr_blocks WHERE kind = COALESCE($1, kind) AND (kind, target) > ($2, $3) \
             ORDER BY kind, target LIMIT $4",

        connections_of: "SELECT c.connection_id, c.user_id, c.software, c.platform, c.created_at, c.last_sign_in_at, \
             i.client_id FROM dcr_connections AS c LEFT JOIN dcr_aliases AS a ON a.connection_id = c.connection_id \
             LEFT JOIN dcr_client_ids AS i ON i.client = a.client \
             WHERE c.user_id = $1 ORDER BY c.created_at, c.connection_id, a.first_used_at, i.client_id",
        connection: "SELECT c.connection_id, c.user_id, c.software, c.platform, c.created_at, c.last_sign_in_at, \
             i.client_id FROM dcr_connections AS c LEFT JOIN dcr_aliases AS a ON a.connection_id = c.connection_id \
             LEFT JOIN dcr_client_ids AS i ON i.client = a.client \
             WHERE c.connection_id = $1 ORDER BY a.first_used_at, i.client_id",
        sessions_of: concat!(
            "SELECT ",
            session_columns!(),
            " FROM ",
            session_tables!(),
            " WHERE s.connection_id = $1 ORDER BY s.created_at, s.session_id"
        ),
        counts: "SELECT (SELECT COUNT(*) FROM dcr_users), (SELECT COUNT(*) FROM dcr_connections), \
             (SELECT COUNT(*) FROM dcr_aliases), (SELECT COUNT(*) FROM dcr_sessions), \
             (SELECT COUNT(*) FROM dcr_blocks), (SELECT COUNT(*) FROM dcr_events), \
             (SELECT COUNT(*) FROM dcr_imported_clients), (SELECT COUNT(*) FROM dcr_client_rows), \
             (SELECT COUNT(*) FROM dcr_spent), (SELECT COUNT(*) FROM dcr_upstream_tokens)",
        events: events!("", "$14"),
        events_of_user: events!("user_id = $14 AND ", "$15"),
        events_of_session: events!("session_id = $14 AND ", "$15"),
        events_of_connection: events!("connection_id = $14 AND ", "$15"),
        events_of_client: events!("client_id = $14 AND ", "$15"),
        events_of_reference: events!("reference = $14 AND ", "$15"),
        events_of_actor: events!("actor = $14 AND actor <> 'person' AND ", "$15"),
        events_of_reason: events!(
            "substr(reason, 1, 64) = substr(CAST($14 AS BYTEA), 1, 64) AND reason <> ''::bytea AND ",
            "$15"
        ),

        sessions_to_erase: concat!(
            "SELECT session_id FROM dcr_sessions WHERE ",
            of_user!("$1"),
            " ORDER BY session_id FOR UPDATE"
        ),
        keep_ends: "INSERT INTO dcr_erased_sessions (session_id, ended_at) \
             SELECT s.session_id, COALESCE(s.ended_at, $1) FROM dcr_connections AS c \
             JOIN dcr_sessions AS s ON s.connection_id = c.connection_id WHERE c.user_id = $2",
        erase_events_of_user: erase_events!("user_id = $2"),
        erase_events_of_sessions: erase_events!(
            "session_id IN (SELECT s.session_id FROM dcr_connections AS c \
             JOIN dcr_sessions AS s ON s.connection_id = c.connection_id WHERE c.user_id = $2)"
        ),
        erase_events_of_connections: erase_events!(
            "connection_id IN (SELECT connection_id FROM dcr_connections WHERE user_id = $2)"
        ),
        erase_actor: "UPDATE dcr_events SET actor = $1 WHERE actor = $2 AND actor <> 'person'",
        erase_sessions: concat!("DELETE FROM dcr_sessions WHERE ", of_user!("$1")),
        erase_upstream_tokens: "DELETE FROM dcr_upstream_tokens WHERE user_id = $1",
        erase_aliases: concat!("DELETE FROM dcr_aliases WHERE ", of_user!("$1")),
        erase_connections: "DELETE FROM dcr_connections WHERE user_id = $1",
        erase_user: "DELETE FROM dcr_users WHERE user_id = $1",
        sweep_erased: "DELETE FROM dcr_erased_sessions WHERE session_id = ANY (ARRAY(SELECT session_id \
             FROM dcr_erased_sessions WHERE ended_at < $1 ORDER BY ended_at LIMIT $2 FOR UPDATE SKIP LOCKED))",

        add_count: "INSERT INTO dcr_funnel (hour, platform, step, outcome, number) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (hour, platform, step, outcome) DO UPDATE SET number = dcr_funnel.number + excluded.number",
        funnel: "SELECT hour, platform, step, outcome, number FROM dcr_funnel WHERE hour >= $1 AND hour < $2 \
             AND (hour, platform, step, outcome) > ($3, $4, $5, $6) ORDER BY hour, platform, step, outcome LIMIT $7",
        funnel_sums: "SELECT hour - (hour - $1) % $2 AS piece, platform, step, outcome, CAST(SUM(number) AS BIGINT) \
             FROM dcr_funnel WHERE hour >= $3 AND hour < $4 GROUP BY piece, platform, step, outcome \
             ORDER BY piece, platform, step, outcome",
        sweep_events: concat!(
            "DELETE FROM dcr_events WHERE event_id = ANY (ARRAY(SELECT event_id FROM dcr_events WHERE at < $1 AND ",
            not_asked_for!(),
            " ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED))"
        ),
        sweep_funnel: "DELETE FROM dcr_funnel WHERE (hour, platform, step, outcome) IN \
             (SELECT hour, platform, step, outcome FROM dcr_funnel WHERE hour < $1 ORDER BY hour LIMIT $2)",

        add_request: "INSERT INTO dcr_requests (request_id, user_id, session_id, at, method, tool, status, address) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (request_id) DO NOTHING",
        requests_of_session: requests!("session_id"),
        requests_of_user: requests!("user_id"),
        sweep_requests: "DELETE FROM dcr_requests WHERE request_id = ANY (ARRAY(SELECT request_id FROM dcr_requests \
             WHERE request_id < $1 ORDER BY request_id LIMIT $2 FOR UPDATE SKIP LOCKED))",
        erase_requests: "DELETE FROM dcr_requests WHERE user_id = $1",

        import_user: "INSERT INTO dcr_users (user_id, issuer, tenant, object_id, name, email, member_of, roles) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (user_id) DO NOTHING",
        import_connection: "INSERT INTO dcr_connections \
             (connection_id, user_id, software, platform, created_at, last_sign_in_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (user_id, software) DO NOTHING",
        import_alias: "INSERT INTO dcr_aliases (connection_id, client, first_used_at, last_used_at) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (connection_id, client) DO NOTHING",
        import_client: "INSERT INTO dcr_imported_clients (client_id, name, redirects) VALUES ($1, $2, $3) \
             ON CONFLICT (client_id) DO NOTHING",
        imported_client: "SELECT client_id, name, redirects FROM dcr_imported_clients WHERE client_id = $1",
        any_imported: "SELECT COUNT(*) FROM (SELECT client_id FROM dcr_imported_clients LIMIT 1) AS one",
        client: "SELECT client_id, version, kind, body FROM dcr_client_rows WHERE client_id = $1",
        any_client: "SELECT COUNT(*) FROM (SELECT client_id FROM dcr_client_rows LIMIT 1) AS one",
        clients: "SELECT client_id, version, kind, body FROM dcr_client_rows WHERE client_id > $1 \
             ORDER BY client_id LIMIT $2",
        add_client: "INSERT INTO dcr_client_rows (client_id, kind, version, body) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (client_id) DO NOTHING",
        change_client: "UPDATE dcr_client_rows SET kind = $1, version = $2, body = $3 WHERE client_id = $4 AND version = $5",
        drop_client: "DELETE FROM dcr_client_rows WHERE client_id = $1 AND kind = $2",
        put_upstream_token: "INSERT INTO dcr_upstream_tokens \
             (user_id, grant_id, sealed, version, leased_until, refreshed_at) VALUES ($1, $2, $3, $4, 0, $5) \
             ON CONFLICT (user_id, grant_id) DO UPDATE SET sealed = excluded.sealed, version = excluded.version, \
             leased_until = 0, refreshed_at = excluded.refreshed_at",
        upstream_token: "SELECT sealed, version, leased_until, refreshed_at FROM dcr_upstream_tokens \
            WHERE user_id = $1 AND grant_id = $2",
        lease_upstream_token: "UPDATE dcr_upstream_tokens SET leased_until = $1 \
            WHERE user_id = $2 AND grant_id = $3 AND version = $4 AND leased_until <= $5",
        replace_upstream_token: "UPDATE dcr_upstream_tokens \
            SET sealed = $1, version = $2, refreshed_at = $3, leased_until = 0 \
            WHERE user_id = $4 AND grant_id = $5 AND version = $6",
        drop_upstream_token: "DELETE FROM dcr_upstream_tokens WHERE user_id = $1 AND grant_id = $2 AND version = $3",
        drop_ended_upstream_tokens: concat!(
            "DELETE FROM dcr_upstream_tokens WHERE ",
            one_ended!("$1"),
            " AND ",
            none_live!("$2")
        ),
        drop_idle_upstream_tokens: concat!(
            "DELETE FROM dcr_upstream_tokens WHERE refreshed_at < $1 AND ",
            none_live!("$2")
        ),
        hold_ended_upstream_tokens: concat!(
            "SELECT user_id FROM dcr_upstream_tokens WHERE ",
            one_ended!("$1"),
            " ORDER BY user_id, grant_id FOR UPDATE"
        ),
        hold_idle_upstream_tokens: concat!(
            "SELECT user_id FROM dcr_upstream_tokens WHERE refreshed_at < $1 AND ",
            none_live!("$2"),
            " ORDER BY user_id, grant_id FOR UPDATE"
        ),
        use_up: "INSERT INTO dcr_spent (spent_id, until_at) VALUES ($1, $2) ON CONFLICT (spent_id) DO NOTHING",
        sweep_used: "DELETE FROM dcr_spent WHERE spent_id = ANY (ARRAY(SELECT spent_id FROM dcr_spent WHERE until_at < $1 \
             ORDER BY until_at LIMIT $2 FOR UPDATE SKIP LOCKED))",
        put_recovery: "INSERT INTO dcr_recovery (slot, until_at) VALUES (1, $1) \
             ON CONFLICT (slot) DO UPDATE SET until_at = excluded.until_at",
        recovery: "SELECT until_at FROM dcr_recovery WHERE slot = 1",

        users: users!("", "$1", "$2"),
        users_by_id: users!("user_id = $1 AND ", "$2", "$3"),
        users_by_object: users!("object_id = $1 AND ", "$2", "$3"),
        // The bytes as text in which everything but ASCII is escaped, so that this is all that is folded.
        users_by_email: users!(
            "lower(encode(email, 'escape') COLLATE \"C\") = lower(encode($1, 'escape') COLLATE \"C\") AND ",
            "$2",
            "$3"
        ),
        users_by_client: users!(
            "user_id IN (SELECT c.user_id FROM dcr_client_ids AS i JOIN dcr_aliases AS a ON a.client = i.client \
             JOIN dcr_connections AS c ON c.connection_id = a.connection_id WHERE i.client_id = $1) AND ",
            "$2",
            "$3"
        ),
        // A byte that is no ASCII is escaped by its digits: a text of digits finds some who do not have it.
        users_by_text: users!(
            "position(lower(encode($1, 'escape') COLLATE \"C\") IN lower(encode(COALESCE(name, ''::bytea) || '\\x0a'::bytea \
             || COALESCE(email, ''::bytea) || '\\x0a'::bytea || object_id, 'escape') COLLATE \"C\")) > 0 AND ",
            "$2",
            "$3"
        ),
        census: "SELECT COUNT(CASE WHEN ended_at IS NULL AND expires_at > $1 THEN 1 END), \
             COUNT(CASE WHEN ended_at IS NULL AND expires_at <= $2 THEN 1 END), COUNT(ended_at) FROM dcr_sessions",
        busiest: busiest!("$1", "dcr_sessions", "BIGINT"),
        client_uses: client_uses!("$1", "", "$2", "$3"),
        client_use: client_uses!("$1", "i.client_id = $2 AND ", "$3", "$4"),
        platform_uses: platform_uses!("$1", "dcr_sessions", "BIGINT"),

        sweep_lapsed: sweep!("expires_at"),
        sweep_ended: sweep!("ended_at"),
        put_secret: "INSERT INTO dcr_secret (slot, secret) VALUES (1, $1) ON CONFLICT (slot) DO NOTHING",
        secret: "SELECT secret FROM dcr_secret WHERE slot = 1",

        server_time: "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
        sweepable: "SELECT COUNT(*) FROM dcr_sessions WHERE expires_at < $1 OR ended_at < $2",
    };

    const DEADLINE: Option<Duration> = Some(Duration::from_secs(8));

    /// By SQLSTATE: the class is in its first two characters.
    fn fault(error: &dyn DatabaseError) -> Fault {
        let code = error.code().unwrap_or_default();
        match (&*code, code.get(..2).unwrap_or_default()) {
            // Serialisation failure, deadlock.
            ("40001" | "40P01", _) => Fault::Conflict,
            // Shutdown, crash, starting up, the server's own idle time-outs; connection failures.
            ("57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04", _) | (_, "08") => Fault::Lost,
            // A lock or a statement beyond its time-out; read-only: a standby, or a primary that failed over; a password
            // or a privilege that was withdrawn; another rollback (40); out of disk, memory, connections (53); operator
            // intervention (57); system errors (58).
            ("55P03" | "25006" | "28000" | "28P01" | "42501", _) | (_, "40" | "53" | "57" | "58") => Fault::Unavailable,
            _ => Fault::Inconsistent,
        }
    }

    // Text refuses a NUL, and all that the database's encoding cannot say: what others wrote is kept as bytes.
    driver_calls!(words: string, texts: bytes);
}
