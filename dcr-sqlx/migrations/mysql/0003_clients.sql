-- Clients that are rows: pinned by the operator, or changed or deleted by themselves (RFC 7592).
CREATE TABLE IF NOT EXISTS dcr_client_rows (
    client_id VARBINARY(1024) NOT NULL PRIMARY KEY,
    kind      VARBINARY(64) NOT NULL,
    version   BIGINT NOT NULL CHECK (version BETWEEN 1 AND 4294967295),
    body      MEDIUMTEXT NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What counts once and was used, by a digest of it, until it could not come again anyway.
CREATE TABLE IF NOT EXISTS dcr_spent (
    spent_id  BINARY(32) NOT NULL PRIMARY KEY,
    until_at BIGINT NOT NULL,
    KEY dcr_spent_by_time (until_at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
