-- For an operator who asks what somebody did, and what happened for which reason. The many sign-ins are done by the person
-- and need no reason: neither index has them, and neither makes them dearer.
CREATE INDEX dcr_events_by_actor ON dcr_events (actor, at, event_id) WHERE actor <> 'person';
-- By its beginning: an operator's words may be longer than what fits into an index.
CREATE INDEX dcr_events_by_reason ON dcr_events (substr(reason, 1, 64), at, event_id) WHERE reason <> ''::bytea;

-- For who uses a client id, and for listing those that are used.
CREATE INDEX dcr_aliases_by_client ON dcr_aliases (client_id, connection_id);
