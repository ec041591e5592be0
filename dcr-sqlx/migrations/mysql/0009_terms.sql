-- Each client id once, and what many sessions have in common once: their terms. Neither has a row that no session and no
-- connection leads to, beyond the next sweep. A session's user is its connection's.

CREATE TABLE IF NOT EXISTS dcr_client_ids (
    client    BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    client_id VARBINARY(1024) NOT NULL,
    UNIQUE KEY dcr_client_ids_by_id (client_id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Two rows that are alike, written at the same moment, do no harm: the first one is taken.
CREATE TABLE IF NOT EXISTS dcr_terms (
    terms       BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    client      BIGINT NOT NULL,
    provenance  VARBINARY(64) NOT NULL,
    platform    VARBINARY(1024) NOT NULL,
    auth_method VARBINARY(64) NOT NULL,
    resource    BLOB NOT NULL,
    scope       BLOB NOT NULL,
    KEY dcr_terms_by_client (client),
    CONSTRAINT dcr_terms_client FOREIGN KEY (client) REFERENCES dcr_client_ids (client)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO dcr_client_ids (client_id) SELECT DISTINCT client_id FROM dcr_aliases;
INSERT IGNORE INTO dcr_client_ids (client_id) SELECT DISTINCT client_id FROM dcr_sessions;

INSERT INTO dcr_terms (client, provenance, platform, auth_method, resource, scope)
    SELECT DISTINCT i.client, s.provenance, s.platform, s.auth_method, CAST(s.resource AS BINARY), s.scope
    FROM dcr_sessions AS s JOIN dcr_client_ids AS i ON i.client_id = s.client_id
    WHERE NOT EXISTS (SELECT 1 FROM dcr_terms AS t WHERE t.client = i.client AND t.provenance = s.provenance
        AND t.platform = s.platform AND t.auth_method = s.auth_method AND t.resource = CAST(s.resource AS BINARY)
        AND t.scope = s.scope);

ALTER TABLE dcr_aliases ADD COLUMN client BIGINT;
UPDATE dcr_aliases AS a JOIN dcr_client_ids AS i ON i.client_id = a.client_id SET a.client = i.client;
ALTER TABLE dcr_aliases DROP COLUMN client_id, DROP PRIMARY KEY, DROP KEY dcr_aliases_by_client,
    MODIFY client BIGINT NOT NULL, ADD PRIMARY KEY (connection_id, client),
    ADD KEY dcr_aliases_by_client (client, connection_id),
    ADD CONSTRAINT dcr_aliases_client FOREIGN KEY (client) REFERENCES dcr_client_ids (client);

ALTER TABLE dcr_sessions ADD COLUMN terms BIGINT;
ALTER TABLE dcr_sessions ADD COLUMN challenge BINARY(32);
-- A challenge becomes the bytes that its characters stand for.
UPDATE dcr_sessions AS s JOIN dcr_client_ids AS i ON i.client_id = s.client_id
    JOIN dcr_terms AS t ON t.client = i.client AND t.provenance = s.provenance AND t.platform = s.platform
        AND t.auth_method = s.auth_method AND t.resource = CAST(s.resource AS BINARY) AND t.scope = s.scope
    SET s.terms = t.terms,
        s.challenge = FROM_BASE64(CONCAT(REPLACE(REPLACE(s.code_challenge, '-', '+'), '_', '/'), '='));
-- For revoking and blocking a client or a platform, and for finding terms that no session has.
ALTER TABLE dcr_sessions DROP FOREIGN KEY dcr_sessions_user, DROP KEY dcr_sessions_by_user, DROP KEY dcr_sessions_by_client,
    DROP COLUMN user_id, DROP COLUMN client_id, DROP COLUMN provenance, DROP COLUMN platform, DROP COLUMN auth_method,
    DROP COLUMN resource, DROP COLUMN scope, DROP COLUMN code_challenge,
    CHANGE COLUMN challenge code_challenge BINARY(32) NOT NULL, MODIFY terms BIGINT NOT NULL,
    ADD KEY dcr_sessions_by_terms (terms),
    ADD CONSTRAINT dcr_sessions_terms FOREIGN KEY (terms) REFERENCES dcr_terms (terms);
