-- Clients of an older system, by the id that it gave them. Redirect URIs are one on each line.
CREATE TABLE IF NOT EXISTS dcr_imported_clients (
    client_id VARBINARY(1024) NOT NULL PRIMARY KEY,
    name      MEDIUMTEXT,
    redirects MEDIUMBLOB NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Until when tokens that are ahead of their session's row are accepted.
CREATE TABLE IF NOT EXISTS dcr_recovery (
    slot     BIGINT NOT NULL PRIMARY KEY CHECK (slot = 1),
    until_at BIGINT NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
