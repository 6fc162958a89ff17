-- The keys that sign access tokens. Private parts are sealed with the operator's secret.

CREATE TABLE signing_keys (
    -- Counts up, one at a time: of several replicas that add the next key, one succeeds.
    number BIGINT NOT NULL PRIMARY KEY,
    kid TEXT NOT NULL UNIQUE,
    algorithm TEXT NOT NULL,
    sealed TEXT NOT NULL,
    published_at BIGINT NOT NULL,
    -- Time from which the key signs. NULL: the key waits for a rotation.
    activates_at BIGINT,
    -- Maximum lifetime of a token that the key signed, in milliseconds.
    token_lifetime BIGINT NOT NULL
);
