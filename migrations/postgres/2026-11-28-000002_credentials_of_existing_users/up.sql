-- Copies the passwords of existing users, imported hashes included. A separate migration, because
-- its transaction locks no table. A password that the previous version changes during this
-- transaction is in `credentials` already, because the trigger has copied it.
INSERT INTO credentials (id, user_id, kind, data, created_at)
    SELECT id, id, 'password', password_hash, created_at FROM users WHERE password_hash <> ''
    ON CONFLICT DO NOTHING;
