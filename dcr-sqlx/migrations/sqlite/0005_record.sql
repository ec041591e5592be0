-- Who did it, and what a page showed the person.
ALTER TABLE dcr_events ADD COLUMN actor TEXT;
ALTER TABLE dcr_events ADD COLUMN reference TEXT;

CREATE INDEX dcr_events_by_connection ON dcr_events (connection_id, at, event_id) WHERE connection_id IS NOT NULL;
CREATE INDEX dcr_events_by_client ON dcr_events (client_id, at, event_id) WHERE client_id IS NOT NULL;
CREATE INDEX dcr_events_by_reference ON dcr_events (reference) WHERE reference IS NOT NULL;

-- How many requests came through which step, by platform and hour. Its size is bounded by what there is to count.
CREATE TABLE dcr_funnel (
    hour     INTEGER NOT NULL,
    platform BLOB    NOT NULL,
    step     TEXT    NOT NULL,
    outcome  TEXT    NOT NULL,
    number   INTEGER NOT NULL CHECK (number >= 0),
    PRIMARY KEY (hour, platform, step, outcome)
) STRICT, WITHOUT ROWID;

-- Sessions of people who were erased, until every server has heard that they are over. An id alone, which is random.
CREATE TABLE dcr_erased_sessions (
    session_id BLOB    NOT NULL PRIMARY KEY CHECK (length(session_id) = 16),
    ended_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX dcr_erased_sessions_by_end ON dcr_erased_sessions (ended_at);
