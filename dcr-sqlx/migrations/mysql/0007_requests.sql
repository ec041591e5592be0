-- Which tools the sessions called, if the operator wants that kept. Never what was said. The ids are ordered by time.
CREATE TABLE IF NOT EXISTS dcr_requests (
    request_id BINARY(16) NOT NULL PRIMARY KEY,
    user_id    VARBINARY(64) NOT NULL,
    session_id BINARY(16) NOT NULL,
    at         BIGINT NOT NULL,
    method     VARBINARY(64) NOT NULL,
    tool       TEXT,
    status     BIGINT NOT NULL CHECK (status BETWEEN 0 AND 999),
    address    VARBINARY(64),
    KEY dcr_requests_by_session (session_id, request_id),
    KEY dcr_requests_by_user (user_id, request_id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
