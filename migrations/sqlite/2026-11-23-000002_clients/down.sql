DELETE FROM sessions WHERE user_id IS NULL;
CREATE TABLE new_sessions (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT,
    revoked_cause TEXT,
    blacklisted_at BIGINT
);
INSERT INTO new_sessions SELECT id, user_id, created_at, expires_at, revoked_at, revoked_cause, blacklisted_at FROM sessions;
DROP TABLE sessions;
ALTER TABLE new_sessions RENAME TO sessions;

CREATE INDEX sessions_user_id ON sessions (user_id);
CREATE INDEX sessions_expires_at ON sessions (expires_at);
CREATE INDEX sessions_revoked ON sessions (id) WHERE revoked_at IS NOT NULL;
CREATE INDEX sessions_to_blacklist ON sessions (id) WHERE revoked_at IS NOT NULL AND blacklisted_at IS NULL;

DROP TABLE clients;
