-- One-time codes. A row is deleted when its code is used, so that of several uses at once exactly
-- one succeeds.
CREATE TABLE one_time_codes (
    -- MAC of the code, its purpose and its user. The code itself is not stored.
    mac TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    purpose TEXT NOT NULL,
    -- Revision of the user for which the code is valid.
    revision BIGINT NOT NULL,
    -- Milliseconds since the Unix epoch.
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX one_time_codes_user_id ON one_time_codes (user_id);
CREATE INDEX one_time_codes_expires_at ON one_time_codes (expires_at);
