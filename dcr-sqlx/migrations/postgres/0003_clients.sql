-- Clients that are rows: pinned by the operator, or changed or deleted by themselves (RFC 7592).
CREATE TABLE dcr_client_rows (
    client_id BYTEA  NOT NULL PRIMARY KEY,
    kind      TEXT COLLATE "C" NOT NULL,
    version   BIGINT NOT NULL CHECK (version BETWEEN 1 AND 4294967295),
    body      BYTEA  NOT NULL
);

-- What counts once and was used, by a digest of it, until it could not come again anyway.
CREATE TABLE dcr_spent (
    spent_id  BYTEA  NOT NULL PRIMARY KEY CHECK (octet_length(spent_id) = 32),
    until_at BIGINT NOT NULL
);

CREATE INDEX dcr_spent_by_time ON dcr_spent (until_at);
