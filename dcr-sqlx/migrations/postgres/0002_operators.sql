-- Clients of an older system, by the id that it gave them. Redirect URIs are one on each line.
CREATE TABLE dcr_imported_clients (
    client_id BYTEA NOT NULL PRIMARY KEY,
    name      BYTEA,
    redirects BYTEA NOT NULL
);

-- Until when tokens that are ahead of their session's row are accepted.
CREATE TABLE dcr_recovery (
    slot     BIGINT NOT NULL PRIMARY KEY CHECK (slot = 1),
    until_at BIGINT NOT NULL
);
