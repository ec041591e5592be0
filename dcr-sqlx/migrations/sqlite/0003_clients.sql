-- Clients that are rows: pinned by the operator, or changed or deleted by themselves (RFC 7592).
CREATE TABLE dcr_client_rows (
    client_id BLOB    NOT NULL PRIMARY KEY,
    kind      TEXT    NOT NULL,
    version   INTEGER NOT NULL CHECK (version BETWEEN 1 AND 4294967295),
    body      TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- What counts once and was used, by a digest of it, until it could not come again anyway.
CREATE TABLE dcr_spent (
    spent_id  BLOB    NOT NULL PRIMARY KEY CHECK (length(spent_id) = 32),
    until_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX dcr_spent_by_time ON dcr_spent (until_at);
