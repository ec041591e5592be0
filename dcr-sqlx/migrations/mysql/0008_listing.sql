-- For an operator who asks what somebody did, and what happened for which reason: by its beginning, since an operator's words
-- may be longer than what fits into an index.
ALTER TABLE dcr_events ADD KEY dcr_events_by_actor (actor, at, event_id);
ALTER TABLE dcr_events ADD KEY dcr_events_by_reason (reason(64), at, event_id);

-- For who uses a client id, and for listing those that are used.
ALTER TABLE dcr_aliases ADD KEY dcr_aliases_by_client (client_id, connection_id);
