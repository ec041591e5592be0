-- Each client id once, and what many sessions have in common once: their terms. Neither has a row that no session and no
-- connection leads to, beyond the next sweep. A session's user is its connection's.

CREATE TABLE dcr_client_ids (
    client    INTEGER NOT NULL PRIMARY KEY,
    client_id BLOB    NOT NULL UNIQUE
) STRICT;

-- Two rows that are alike would do no harm: the first one is taken.
CREATE TABLE dcr_terms (
    terms       INTEGER NOT NULL PRIMARY KEY,
    client      INTEGER NOT NULL REFERENCES dcr_client_ids (client),
    provenance  TEXT    NOT NULL,
    platform    BLOB    NOT NULL,
    auth_method TEXT    NOT NULL,
    resource    BLOB    NOT NULL,
    scope       TEXT    NOT NULL
) STRICT;

CREATE INDEX dcr_terms_by_client ON dcr_terms (client);

INSERT INTO dcr_client_ids (client_id) SELECT client_id FROM dcr_sessions UNION SELECT client_id FROM dcr_aliases;

INSERT INTO dcr_terms (client, provenance, platform, auth_method, resource, scope)
    SELECT DISTINCT i.client, s.provenance, s.platform, s.auth_method, CAST(s.resource AS BLOB), s.scope
    FROM dcr_sessions AS s JOIN dcr_client_ids AS i ON i.client_id = s.client_id;

ALTER TABLE dcr_aliases RENAME TO dcr_aliases_before;

CREATE TABLE dcr_aliases (
    connection_id BLOB    NOT NULL REFERENCES dcr_connections (connection_id),
    client        INTEGER NOT NULL REFERENCES dcr_client_ids (client),
    first_used_at INTEGER NOT NULL,
    last_used_at  INTEGER NOT NULL,
    PRIMARY KEY (connection_id, client)
) STRICT, WITHOUT ROWID;

INSERT INTO dcr_aliases (connection_id, client, first_used_at, last_used_at)
    SELECT a.connection_id, i.client, a.first_used_at, a.last_used_at
    FROM dcr_aliases_before AS a JOIN dcr_client_ids AS i ON i.client_id = a.client_id;

DROP TABLE dcr_aliases_before;

CREATE INDEX dcr_aliases_by_client ON dcr_aliases (client, connection_id);

ALTER TABLE dcr_sessions RENAME TO dcr_sessions_before;

-- Rows of some 150 bytes that are updated in place, hence with a rowid.
CREATE TABLE dcr_sessions (
    session_id          BLOB    NOT NULL PRIMARY KEY CHECK (length(session_id) = 16),
    connection_id       BLOB    NOT NULL REFERENCES dcr_connections (connection_id),
    terms               INTEGER NOT NULL REFERENCES dcr_terms (terms),
    adopted_secret      BLOB    CHECK (length(adopted_secret) = 32),
    redirect_uri        BLOB    NOT NULL,
    code_challenge      BLOB    NOT NULL CHECK (length(code_challenge) = 32),
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

-- The 43 characters of a challenge become the 32 bytes that they stand for: four characters, of six bits each, are six
-- hexadecimal digits.
WITH pieces (g) AS (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9), (10)),
    letters (a) AS (VALUES ('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'))
INSERT INTO dcr_sessions (session_id, connection_id, terms, adopted_secret, redirect_uri, code_challenge, refreshable,
        generation, created_at, redeemed_at, advanced_at, expires_at, absolute_expires_at, ended_at, end_reason)
    SELECT s.session_id, s.connection_id, t.terms, s.adopted_secret, s.redirect_uri,
        unhex(substr((SELECT group_concat(digits, '') FROM (SELECT printf('%06x',
                (instr(a, substr(s.code_challenge || 'A', 4 * g + 1, 1)) - 1) * 262144
                + (instr(a, substr(s.code_challenge || 'A', 4 * g + 2, 1)) - 1) * 4096
                + (instr(a, substr(s.code_challenge || 'A', 4 * g + 3, 1)) - 1) * 64
                + (instr(a, substr(s.code_challenge || 'A', 4 * g + 4, 1)) - 1) * 1) AS digits
            FROM pieces, letters ORDER BY g)), 1, 64)),
        s.refreshable, s.generation, s.created_at, s.redeemed_at, s.advanced_at, s.expires_at, s.absolute_expires_at,
        s.ended_at, s.end_reason
    FROM dcr_sessions_before AS s JOIN dcr_client_ids AS i ON i.client_id = s.client_id
        JOIN dcr_terms AS t ON t.client = i.client AND t.provenance = s.provenance AND t.platform = s.platform
            AND t.auth_method = s.auth_method AND t.resource = CAST(s.resource AS BLOB) AND t.scope = s.scope
    ORDER BY s.session_id;

DROP TABLE dcr_sessions_before;

CREATE INDEX dcr_sessions_by_connection ON dcr_sessions (connection_id);
-- For revoking and blocking a client or a platform, and for finding terms that no session has.
CREATE INDEX dcr_sessions_by_terms ON dcr_sessions (terms);
CREATE INDEX dcr_sessions_by_expiry ON dcr_sessions (expires_at);
-- The revocation feed, polled every second or two, reads nothing but this index.
CREATE INDEX dcr_sessions_by_end ON dcr_sessions (ended_at, session_id) WHERE ended_at IS NOT NULL;
