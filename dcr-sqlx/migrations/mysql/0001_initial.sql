-- The text of a migration never changes once it is released: its checksum is kept in _dcr_migrations.
--
-- Definitions are committed one by one here, so a migration that was cut off is run again from its beginning. Hence: every
-- statement ends with a semicolon at the end of a line and does one thing; done already, it does nothing, or fails with an
-- error that says so (a table, column or key that exists, or exists no more), which is passed over.
--
-- BINARY and VARBINARY are for ids, for words of our own and for bytes that strangers choose, since no collation of text
-- compares as bytes; MEDIUMTEXT for texts in which anything may be, never compared; BIGINT for times in microseconds since
-- the Unix epoch. The charset is said, whatever the database's own is.

CREATE TABLE IF NOT EXISTS dcr_users (
    user_id   VARBINARY(64) NOT NULL PRIMARY KEY,
    issuer    MEDIUMTEXT NOT NULL,
    tenant    MEDIUMTEXT NOT NULL,
    object_id MEDIUMTEXT NOT NULL,
    name      MEDIUMTEXT,
    email     MEDIUMTEXT
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- One user's use of one software: the UNIQUE is what keeps duplicates from coming to be (I-16).
CREATE TABLE IF NOT EXISTS dcr_connections (
    connection_id   BINARY(16) NOT NULL PRIMARY KEY,
    user_id         VARBINARY(64) NOT NULL,
    software        VARBINARY(2048) NOT NULL,
    platform        VARBINARY(1024) NOT NULL,
    created_at      BIGINT NOT NULL,
    last_sign_in_at BIGINT NOT NULL,
    UNIQUE KEY dcr_connections_by_software (user_id, software),
    CONSTRAINT dcr_connections_user FOREIGN KEY (user_id) REFERENCES dcr_users (user_id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The client ids that a connection was seen with.
CREATE TABLE IF NOT EXISTS dcr_aliases (
    connection_id BINARY(16) NOT NULL,
    client_id     VARBINARY(1024) NOT NULL,
    first_used_at BIGINT NOT NULL,
    last_used_at  BIGINT NOT NULL,
    PRIMARY KEY (connection_id, client_id),
    CONSTRAINT dcr_aliases_connection FOREIGN KEY (connection_id) REFERENCES dcr_connections (connection_id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The rows lie in the order of session_id, which grows with time: new ones go to the end.
CREATE TABLE IF NOT EXISTS dcr_sessions (
    session_id          BINARY(16) NOT NULL PRIMARY KEY,
    connection_id       BINARY(16) NOT NULL,
    user_id             VARBINARY(64) NOT NULL,
    client_id           VARBINARY(1024) NOT NULL,
    provenance          VARBINARY(64) NOT NULL,
    platform            VARBINARY(1024) NOT NULL,
    auth_method         VARBINARY(64) NOT NULL,
    adopted_secret      VARBINARY(32) CHECK (length(adopted_secret) = 32),
    redirect_uri        VARBINARY(8192) NOT NULL,
    code_challenge      VARBINARY(128) NOT NULL,
    resource            MEDIUMTEXT NOT NULL,
    scope               BLOB NOT NULL,
    refreshable         BIGINT NOT NULL CHECK (refreshable IN (0, 1)),
    generation          BIGINT NOT NULL CHECK (generation BETWEEN 0 AND 4294967295),
    created_at          BIGINT NOT NULL,
    redeemed_at         BIGINT,
    advanced_at         BIGINT NOT NULL,
    expires_at          BIGINT NOT NULL,
    absolute_expires_at BIGINT NOT NULL,
    ended_at            BIGINT,
    end_reason          MEDIUMTEXT,
    CHECK ((ended_at IS NULL) = (end_reason IS NULL)),
    KEY dcr_sessions_by_connection (connection_id),
    KEY dcr_sessions_by_expiry (expires_at),
    -- The revocation feed, polled every second or two, reads nothing but this index (session_id is in each of them).
    KEY dcr_sessions_by_end (ended_at),
    -- For revoking and blocking; a platform is so many of all sessions that its index would help nobody.
    KEY dcr_sessions_by_user (user_id, ended_at),
    KEY dcr_sessions_by_client (client_id, ended_at),
    CONSTRAINT dcr_sessions_connection FOREIGN KEY (connection_id) REFERENCES dcr_connections (connection_id),
    CONSTRAINT dcr_sessions_user FOREIGN KEY (user_id) REFERENCES dcr_users (user_id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS dcr_blocks (
    kind   VARBINARY(64) NOT NULL,
    target VARBINARY(2048) NOT NULL,
    PRIMARY KEY (kind, target)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The record. It outlives the sessions it tells of, hence without foreign keys.
CREATE TABLE IF NOT EXISTS dcr_events (
    event_id      BINARY(16) NOT NULL PRIMARY KEY,
    at            BIGINT NOT NULL,
    kind          VARBINARY(64) NOT NULL,
    reason        MEDIUMTEXT NOT NULL,
    user_id       VARBINARY(64),
    connection_id BINARY(16),
    session_id    BINARY(16),
    client_id     VARBINARY(1024),
    platform      VARBINARY(1024),
    KEY dcr_events_by_time (at, event_id),
    KEY dcr_events_by_user (user_id, at, event_id),
    KEY dcr_events_by_session (session_id, at, event_id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- At most one row: the secret that the store generated and keeps, if it was not given one.
CREATE TABLE IF NOT EXISTS dcr_secret (
    slot   BIGINT NOT NULL PRIMARY KEY CHECK (slot = 1),
    secret BINARY(32) NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The row that sign-ins lock in common and a block locks for itself, so that neither misses the other.
CREATE TABLE IF NOT EXISTS dcr_lock (
    slot BIGINT NOT NULL PRIMARY KEY CHECK (slot = 1)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT INTO dcr_lock (slot) SELECT 1 FROM (SELECT 1) AS new WHERE NOT EXISTS (SELECT 1 FROM dcr_lock);
