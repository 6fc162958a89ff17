-- Ids are UUIDs as text, times are milliseconds since the Unix epoch: the same on both databases.

CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    username TEXT NOT NULL,
    username_key TEXT NOT NULL UNIQUE,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    -- Separated by spaces, as in the claims.
    scope TEXT NOT NULL DEFAULT '',
    roles TEXT NOT NULL DEFAULT '',
    created_at BIGINT NOT NULL,
    -- Time of the last change of scope or roles, and time of the change with which the blacklist is
    -- known to have marked the user's sessions.
    claims_changed_at BIGINT,
    claims_marked_at BIGINT
);

-- One row per login. A refresh writes nothing here.
CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT,
    revoked_cause TEXT,
    -- Time at which the blacklist was known to hold the revocation. NULL: auth-service writes the
    -- revocation to the blacklist again.
    blacklisted_at BIGINT
);

CREATE INDEX sessions_user_id ON sessions (user_id);
CREATE INDEX sessions_expires_at ON sessions (expires_at);
CREATE INDEX sessions_revoked ON sessions (id) WHERE revoked_at IS NOT NULL;
CREATE INDEX users_claims_to_mark ON users (id) WHERE claims_changed_at IS NOT NULL AND claims_marked_at IS NULL;
CREATE INDEX sessions_to_blacklist ON sessions (id) WHERE revoked_at IS NOT NULL AND blacklisted_at IS NULL;

-- The embedded blacklist, at most one row per session. Without a watermark, the session has ended.
CREATE TABLE blacklist (
    session_id TEXT NOT NULL PRIMARY KEY,
    watermark BIGINT,
    moved_at BIGINT NOT NULL,
    -- First generation whose claims are those of the database. NULL: those of all generations are.
    claims_from BIGINT,
    expires_at BIGINT NOT NULL
) WITHOUT ROWID;

CREATE INDEX blacklist_expires_at ON blacklist (expires_at);
