-- What users, clients and operators did. No row references another table, because a row is kept
-- longer than the user that the row is about.
CREATE TABLE audit_events (
    number INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    -- Milliseconds since the Unix epoch.
    at BIGINT NOT NULL,
    event TEXT NOT NULL,
    -- user, client, operator, service, or anyone.
    actor TEXT NOT NULL,
    user_id TEXT,
    session_id TEXT,
    client_id TEXT,
    ip TEXT,
    user_agent TEXT,
    detail TEXT
);
CREATE INDEX audit_events_by_user ON audit_events (user_id, at);
CREATE INDEX audit_events_by_time ON audit_events (at);
