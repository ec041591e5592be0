-- What people may have from the upstream provider, sealed by the server: one row for each user, application and scope set.
-- grant_id is a digest of the latter two. Times are in microseconds since the Unix epoch.
CREATE TABLE IF NOT EXISTS dcr_upstream_tokens (
    user_id      VARBINARY(64) NOT NULL,
    grant_id     BINARY(32) NOT NULL,
    sealed       MEDIUMBLOB NOT NULL,
    version      BINARY(16) NOT NULL,
    leased_until BIGINT NOT NULL,
    refreshed_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, grant_id),
    KEY dcr_upstream_tokens_by_time (refreshed_at),
    CONSTRAINT dcr_upstream_tokens_of_user FOREIGN KEY (user_id) REFERENCES dcr_users (user_id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
