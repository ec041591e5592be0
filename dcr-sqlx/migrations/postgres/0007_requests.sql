-- What the provider says is kept as bytes here: text of PostgreSQL has no NUL. Databases as 0006 left them keep what they have.
ALTER TABLE dcr_users ALTER COLUMN member_of TYPE BYTEA USING convert_to(member_of, 'UTF8');
ALTER TABLE dcr_users ALTER COLUMN roles TYPE BYTEA USING convert_to(roles, 'UTF8');

-- Which tools the sessions called, if the operator wants that kept. Never what was said. The ids are ordered by time.
CREATE TABLE dcr_requests (
    request_id BYTEA    NOT NULL PRIMARY KEY CHECK (octet_length(request_id) = 16),
    user_id    TEXT COLLATE "C" NOT NULL,
    session_id BYTEA    NOT NULL CHECK (octet_length(session_id) = 16),
    at         BIGINT   NOT NULL,
    method     TEXT COLLATE "C" NOT NULL,
    tool       BYTEA,
    status     BIGINT   NOT NULL CHECK (status BETWEEN 0 AND 999),
    address    TEXT COLLATE "C"
);

CREATE INDEX dcr_requests_by_session ON dcr_requests (session_id, request_id);
CREATE INDEX dcr_requests_by_user ON dcr_requests (user_id, request_id);
