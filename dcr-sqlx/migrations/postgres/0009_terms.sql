-- Each client id once, and what many sessions have in common once: their terms. Neither has a row that no session and no
-- connection leads to, beyond the next sweep. A session's user is its connection's.

CREATE TABLE dcr_client_ids (
    client    BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    client_id BYTEA  NOT NULL UNIQUE
);

-- Two rows that are alike, written at the same moment, do no harm: the first one is taken.
CREATE TABLE dcr_terms (
    terms       BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    client      BIGINT NOT NULL REFERENCES dcr_client_ids (client),
    provenance  TEXT COLLATE "C" NOT NULL,
    platform    BYTEA  NOT NULL,
    auth_method TEXT COLLATE "C" NOT NULL,
    resource    BYTEA  NOT NULL,
    scope       TEXT COLLATE "C" NOT NULL
);

CREATE INDEX dcr_terms_by_client ON dcr_terms (client);

INSERT INTO dcr_client_ids (client_id) SELECT client_id FROM dcr_sessions UNION SELECT client_id FROM dcr_aliases;

INSERT INTO dcr_terms (client, provenance, platform, auth_method, resource, scope)
    SELECT DISTINCT i.client, s.provenance, s.platform, s.auth_method, s.resource, s.scope
    FROM dcr_sessions AS s JOIN dcr_client_ids AS i ON i.client_id = s.client_id;

-- In place, so that whoever may use the tables still may.
ALTER TABLE dcr_aliases ADD COLUMN client BIGINT REFERENCES dcr_client_ids (client);
UPDATE dcr_aliases SET client = i.client FROM dcr_client_ids AS i WHERE i.client_id = dcr_aliases.client_id;
-- With the column goes what it is part of: the primary key and dcr_aliases_by_client.
ALTER TABLE dcr_aliases DROP COLUMN client_id, ADD PRIMARY KEY (connection_id, client);
CREATE INDEX dcr_aliases_by_client ON dcr_aliases (client, connection_id);

ALTER TABLE dcr_sessions ADD COLUMN terms BIGINT REFERENCES dcr_terms (terms);
UPDATE dcr_sessions SET terms = t.terms FROM dcr_client_ids AS i JOIN dcr_terms AS t ON t.client = i.client
    WHERE i.client_id = dcr_sessions.client_id AND t.provenance = dcr_sessions.provenance
    AND t.platform = dcr_sessions.platform AND t.auth_method = dcr_sessions.auth_method
    AND t.resource = dcr_sessions.resource AND t.scope = dcr_sessions.scope;
-- A challenge becomes the bytes that its characters stand for; the table is written anew, without what is dropped.
ALTER TABLE dcr_sessions
    DROP COLUMN user_id, DROP COLUMN client_id, DROP COLUMN provenance, DROP COLUMN platform, DROP COLUMN auth_method,
    DROP COLUMN resource, DROP COLUMN scope,
    ALTER COLUMN code_challenge TYPE BYTEA USING decode(translate(code_challenge, '-_', '+/') || '=', 'base64'),
    ALTER COLUMN terms SET NOT NULL,
    ADD CHECK (octet_length(code_challenge) = 32);
-- For revoking and blocking a client or a platform, and for finding terms that no session has.
CREATE INDEX dcr_sessions_by_terms ON dcr_sessions (terms);
