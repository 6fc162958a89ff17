-- Usernames of deleted users, kept as long as the audit trail: no other user gets such a name while
-- the trail has events of the deleted user.
CREATE TABLE deleted_users (
    id TEXT NOT NULL PRIMARY KEY,
    username TEXT NOT NULL,
    username_key TEXT NOT NULL,
    folded_username TEXT NOT NULL,
    -- Milliseconds since the Unix epoch.
    deleted_at BIGINT NOT NULL
);
CREATE INDEX deleted_users_username_key ON deleted_users (username_key);
CREATE INDEX deleted_users_folded_username ON deleted_users (folded_username);
CREATE INDEX deleted_users_deleted_at ON deleted_users (deleted_at);
