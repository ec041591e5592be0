-- What people may have from the upstream provider, sealed by the server: one row for each user, application and scope set.
-- grant_id is a digest of the latter two. Times are in microseconds since the Unix epoch.
CREATE TABLE dcr_upstream_tokens (
    user_id      TEXT    NOT NULL REFERENCES dcr_users (user_id),
    grant_id     BLOB    NOT NULL CHECK (length(grant_id) = 32),
    sealed       BLOB    NOT NULL,
    version      BLOB    NOT NULL CHECK (length(version) = 16),
    leased_until INTEGER NOT NULL,
    refreshed_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, grant_id)
) STRICT;

CREATE INDEX dcr_upstream_tokens_by_time ON dcr_upstream_tokens (refreshed_at);
