-- The keys that sign access tokens. Private parts are sealed with the operator's secret.

CREATE TABLE signing_keys (
    -- Counts up, one at a time: of several replicas that add the next key, one succeeds.
    number BIGINT NOT NULL PRIMARY KEY,
    kid TEXT NOT NULL UNIQUE,
    algorithm TEXT NOT NULL,
    sealed TEXT NOT NULL,
    published_at BIGINT NOT NULL,
    -- From when on it signs. Unset: it waits for a rotation.
    activates_at BIGINT,
    -- The longest that a token lives which it signed, in milliseconds.
    token_lifetime BIGINT NOT NULL
);
