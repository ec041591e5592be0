-- Which tools the sessions called, if the operator wants that kept. Never what was said. The ids are ordered by time.
CREATE TABLE dcr_requests (
    request_id BLOB    NOT NULL PRIMARY KEY CHECK (length(request_id) = 16),
    user_id    TEXT    NOT NULL,
    session_id BLOB    NOT NULL CHECK (length(session_id) = 16),
    at         INTEGER NOT NULL,
    method     TEXT    NOT NULL,
    tool       TEXT,
    status     INTEGER NOT NULL CHECK (status BETWEEN 0 AND 999),
    address    TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX dcr_requests_by_session ON dcr_requests (session_id, request_id);
CREATE INDEX dcr_requests_by_user ON dcr_requests (user_id, request_id);
