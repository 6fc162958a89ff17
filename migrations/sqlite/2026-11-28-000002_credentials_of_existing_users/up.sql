-- Passwords of existing users, imported hashes included. In a transaction of its own, which locks no table: a password that the
-- previous version changes meanwhile is in credentials already, by its trigger.
INSERT INTO credentials (id, user_id, kind, data, created_at)
    SELECT id, id, 'password', password_hash, created_at FROM users WHERE password_hash <> ''
    ON CONFLICT DO NOTHING;
