-- Who did it, and what a page showed the person.
ALTER TABLE dcr_events ADD COLUMN actor VARBINARY(128);
ALTER TABLE dcr_events ADD COLUMN reference VARBINARY(16);
ALTER TABLE dcr_events ADD KEY dcr_events_by_connection (connection_id, at, event_id);
ALTER TABLE dcr_events ADD KEY dcr_events_by_client (client_id, at, event_id);
ALTER TABLE dcr_events ADD KEY dcr_events_by_reference (reference);

-- How many requests came through which step, by platform and hour. Its size is bounded by what there is to count.
CREATE TABLE IF NOT EXISTS dcr_funnel (
    hour     BIGINT NOT NULL,
    platform VARBINARY(1024) NOT NULL,
    step     VARBINARY(64) NOT NULL,
    outcome  VARBINARY(64) NOT NULL,
    number   BIGINT NOT NULL CHECK (number >= 0),
    PRIMARY KEY (hour, platform, step, outcome)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Sessions of people who were erased, until every server has heard that they are over. An id alone, which is random.
CREATE TABLE IF NOT EXISTS dcr_erased_sessions (
    session_id BINARY(16) NOT NULL PRIMARY KEY,
    ended_at   BIGINT NOT NULL,
    KEY dcr_erased_sessions_by_end (ended_at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
