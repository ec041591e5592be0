-- The text of a migration never changes once it is released: its checksum is kept in _dcr_migrations.
--
-- TEXT is for words of our own, in ASCII and compared as bytes; BYTEA for ids, for bytes that strangers choose, and for
-- texts in which anything may be (TEXT refuses some of it); BIGINT for times in microseconds since the Unix epoch. To read
-- the texts in psql: SET bytea_output = 'escape', or convert_from(name, 'UTF8').

CREATE TABLE dcr_users (
    user_id   TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    issuer    BYTEA NOT NULL,
    tenant    BYTEA NOT NULL,
    object_id BYTEA NOT NULL,
    name      BYTEA,
    email     BYTEA
);

-- One user's use of one software: the UNIQUE is what keeps duplicates from coming to be (I-16).
CREATE TABLE dcr_connections (
    connection_id   BYTEA  NOT NULL PRIMARY KEY CHECK (octet_length(connection_id) = 16),
    user_id         TEXT COLLATE "C" NOT NULL REFERENCES dcr_users (user_id),
    software        BYTEA  NOT NULL,
    platform        BYTEA  NOT NULL,
    created_at      BIGINT NOT NULL,
    last_sign_in_at BIGINT NOT NULL,
    UNIQUE (user_id, software)
);

-- The client ids that a connection was seen with.
CREATE TABLE dcr_aliases (
    connection_id BYTEA  NOT NULL REFERENCES dcr_connections (connection_id),
    client_id     BYTEA  NOT NULL,
    first_used_at BIGINT NOT NULL,
    last_used_at  BIGINT NOT NULL,
    PRIMARY KEY (connection_id, client_id)
);

CREATE TABLE dcr_sessions (
    session_id          BYTEA  NOT NULL PRIMARY KEY CHECK (octet_length(session_id) = 16),
    connection_id       BYTEA  NOT NULL REFERENCES dcr_connections (connection_id),
    user_id             TEXT COLLATE "C" NOT NULL REFERENCES dcr_users (user_id),
    client_id           BYTEA  NOT NULL,
    provenance          TEXT COLLATE "C" NOT NULL,
    platform            BYTEA  NOT NULL,
    auth_method         TEXT COLLATE "C" NOT NULL,
    adopted_secret      BYTEA  CHECK (octet_length(adopted_secret) = 32),
    redirect_uri        BYTEA  NOT NULL,
    code_challenge      TEXT COLLATE "C" NOT NULL,
    resource            BYTEA  NOT NULL,
    scope               TEXT COLLATE "C" NOT NULL,
    refreshable         BIGINT NOT NULL CHECK (refreshable IN (0, 1)),
    generation          BIGINT NOT NULL CHECK (generation BETWEEN 0 AND 4294967295),
    created_at          BIGINT NOT NULL,
    redeemed_at         BIGINT,
    advanced_at         BIGINT NOT NULL,
    expires_at          BIGINT NOT NULL,
    absolute_expires_at BIGINT NOT NULL,
    ended_at            BIGINT,
    end_reason          BYTEA,
    CHECK ((ended_at IS NULL) = (end_reason IS NULL))
);

CREATE INDEX dcr_sessions_by_connection ON dcr_sessions (connection_id);
CREATE INDEX dcr_sessions_by_expiry ON dcr_sessions (expires_at);
-- The revocation feed, polled every second or two, reads nothing but this index.
CREATE INDEX dcr_sessions_by_end ON dcr_sessions (ended_at, session_id) WHERE ended_at IS NOT NULL;
-- For revoking and blocking; a platform is so many of all sessions that its index would help nobody.
CREATE INDEX dcr_sessions_by_user ON dcr_sessions (user_id) WHERE ended_at IS NULL;
CREATE INDEX dcr_sessions_by_client ON dcr_sessions (client_id) WHERE ended_at IS NULL;

CREATE TABLE dcr_blocks (
    kind   TEXT COLLATE "C" NOT NULL,
    target BYTEA NOT NULL,
    PRIMARY KEY (kind, target)
);

-- The record. It outlives the sessions it tells of, hence without foreign keys.
CREATE TABLE dcr_events (
    event_id      BYTEA  NOT NULL PRIMARY KEY CHECK (octet_length(event_id) = 16),
    at            BIGINT NOT NULL,
    kind          TEXT COLLATE "C" NOT NULL,
    reason        BYTEA  NOT NULL,
    user_id       TEXT COLLATE "C",
    connection_id BYTEA,
    session_id    BYTEA,
    client_id     BYTEA,
    platform      BYTEA
);

CREATE INDEX dcr_events_by_time ON dcr_events (at, event_id);
CREATE INDEX dcr_events_by_user ON dcr_events (user_id, at, event_id) WHERE user_id IS NOT NULL;
CREATE INDEX dcr_events_by_session ON dcr_events (session_id, at, event_id) WHERE session_id IS NOT NULL;

-- At most one row: the secret that the store generated and keeps, if it was not given one.
CREATE TABLE dcr_secret (
    slot   BIGINT NOT NULL PRIMARY KEY CHECK (slot = 1),
    secret BYTEA  NOT NULL CHECK (octet_length(secret) = 32)
);

-- The table that sign-ins lock in common and a block or a revocation locks for itself, so that neither misses the other.
CREATE TABLE dcr_lock (
    slot BIGINT NOT NULL PRIMARY KEY CHECK (slot = 1)
);
INSERT INTO dcr_lock (slot) VALUES (1);
