-- The live sessions of a user in the order in which they began: a login beyond SESSIONS_PER_USER ends
-- the oldest of them. However many sessions of the user have ended, the index has the others only.
CREATE INDEX sessions_live_of_user ON sessions (user_id, created_at, id) WHERE revoked_at IS NULL;
