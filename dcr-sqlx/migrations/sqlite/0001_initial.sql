-- The text of a migration never changes once it is released: its checksum is kept in _dcr_migrations.
--
-- TEXT is for what we name ourselves, BLOB for ids and for bytes that strangers choose (compared as bytes on every
-- database), INTEGER for times in microseconds since the Unix epoch. To read a BLOB that is text: CAST(client_id AS TEXT).

CREATE TABLE dcr_users (
    user_id   TEXT NOT NULL PRIMARY KEY,
    issuer    TEXT NOT NULL,
    tenant    TEXT NOT NULL,
    object_id TEXT NOT NULL,
    name      TEXT,
    email     TEXT
) STRICT, WITHOUT ROWID;

-- One user's use of one software: the UNIQUE is what keeps duplicates from coming to be (I-16).
CREATE TABLE dcr_connections (
    connection_id   BLOB    NOT NULL PRIMARY KEY CHECK (length(connection_id) = 16),
    user_id         TEXT    NOT NULL REFERENCES dcr_users (user_id),
    software        BLOB    NOT NULL,
    platform        BLOB    NOT NULL,
    created_at      INTEGER NOT NULL,
    last_sign_in_at INTEGER NOT NULL,
    UNIQUE (user_id, software)
) STRICT, WITHOUT ROWID;

-- The client ids that a connection was seen with.
CREATE TABLE dcr_aliases (
    connection_id BLOB    NOT NULL REFERENCES dcr_connections (connection_id),
    client_id     BLOB    NOT NULL,
    first_used_at INTEGER NOT NULL,
    last_used_at  INTEGER NOT NULL,
    PRIMARY KEY (connection_id, client_id)
) STRICT, WITHOUT ROWID;

-- Rows of some 500 bytes that are updated in place, hence with a rowid.
CREATE TABLE dcr_sessions (
    session_id          BLOB    NOT NULL PRIMARY KEY CHECK (length(session_id) = 16),
    connection_id       BLOB    NOT NULL REFERENCES dcr_connections (connection_id),
    user_id             TEXT    NOT NULL REFERENCES dcr_users (user_id),
    client_id           BLOB    NOT NULL,
    provenance          TEXT    NOT NULL,
    platform            BLOB    NOT NULL,
    auth_method         TEXT    NOT NULL,
    adopted_secret      BLOB    CHECK (length(adopted_secret) = 32),
    redirect_uri        BLOB    NOT NULL,
    code_challenge      TEXT    NOT NULL,
    resource            TEXT    NOT NULL,
    scope               TEXT    NOT NULL,
    refreshable         INTEGER NOT NULL CHECK (refreshable IN (0, 1)),
    generation          INTEGER NOT NULL CHECK (generation BETWEEN 0 AND 4294967295),
    created_at          INTEGER NOT NULL,
    redeemed_at         INTEGER,
    advanced_at         INTEGER NOT NULL,
    expires_at          INTEGER NOT NULL,
    absolute_expires_at INTEGER NOT NULL,
    ended_at            INTEGER,
    end_reason          TEXT,
    CHECK ((ended_at IS NULL) = (end_reason IS NULL))
) STRICT;

CREATE INDEX dcr_sessions_by_connection ON dcr_sessions (connection_id);
CREATE INDEX dcr_sessions_by_expiry ON dcr_sessions (expires_at);
-- The revocation feed, polled every second or two, reads nothing but this index.
CREATE INDEX dcr_sessions_by_end ON dcr_sessions (ended_at, session_id) WHERE ended_at IS NOT NULL;
-- For revoking and blocking; a platform is so many of all sessions that its index would help nobody.
CREATE INDEX dcr_sessions_by_user ON dcr_sessions (user_id) WHERE ended_at IS NULL;
CREATE INDEX dcr_sessions_by_client ON dcr_sessions (client_id) WHERE ended_at IS NULL;

CREATE TABLE dcr_blocks (
    kind   TEXT NOT NULL,
    target BLOB NOT NULL,
    PRIMARY KEY (kind, target)
) STRICT, WITHOUT ROWID;

-- The record. It outlives the sessions it tells of, hence without foreign keys.
CREATE TABLE dcr_events (
    event_id      BLOB    NOT NULL PRIMARY KEY CHECK (length(event_id) = 16),
    at            INTEGER NOT NULL,
    kind          TEXT    NOT NULL,
    reason        TEXT    NOT NULL,
    user_id       TEXT,
    connection_id BLOB,
    session_id    BLOB,
    client_id     BLOB,
    platform      BLOB
) STRICT;

CREATE INDEX dcr_events_by_time ON dcr_events (at, event_id);
CREATE INDEX dcr_events_by_user ON dcr_events (user_id, at, event_id) WHERE user_id IS NOT NULL;
CREATE INDEX dcr_events_by_session ON dcr_events (session_id, at, event_id) WHERE session_id IS NOT NULL;

-- At most one row: the secret that the store generated and keeps, if it was not given one.
CREATE TABLE dcr_secret (
    slot   INTEGER NOT NULL PRIMARY KEY CHECK (slot = 1),
    secret BLOB    NOT NULL CHECK (length(secret) = 32)
) STRICT;
