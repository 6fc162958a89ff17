-- Programs that act in their own right, or that may ask about tokens.

CREATE TABLE clients (
    id TEXT NOT NULL PRIMARY KEY,
    -- SHA-256: the secret is 256 random bits, which nobody guesses however fast.
    secret_hash TEXT NOT NULL,
    -- What it may ask for. Separated by spaces.
    scope TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    secret_changed_at BIGINT NOT NULL
);

-- A client's access token is a session of its own, and nobody's. It is here only once it has been revoked.
ALTER TABLE sessions ALTER COLUMN user_id DROP NOT NULL;
