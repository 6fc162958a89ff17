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
-- after its revocation.
ALTER TABLE sessions ALTER COLUMN user_id DROP NOT NULL;
