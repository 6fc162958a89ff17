-- Programs that get access tokens for themselves, or that may introspect tokens.

CREATE TABLE clients (
    id TEXT NOT NULL PRIMARY KEY,
    -- SHA-256 suffices, because the secret is 256 random bits, which no attacker can guess.
    secret_hash TEXT NOT NULL,
    -- Scopes that the client may request, separated by spaces.
    scope TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    secret_changed_at BIGINT NOT NULL
);

-- A client's access token is a separate session, which has no user. The table has the session only
-- after its revocation. SQLite cannot change a column, so a new table replaces the old one.
CREATE TABLE new_sessions (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT REFERENCES users (id),
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
