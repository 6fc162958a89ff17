-- What proves a user. The only kind is `password`, of which a user has at most one. `data` holds
-- the hash.
CREATE TABLE credentials (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    data TEXT NOT NULL,
    -- A name that the user gives, to tell several of one kind apart.
    label TEXT,
    created_at BIGINT NOT NULL,
    -- Written behind, in batches.
    last_used_at BIGINT
);
CREATE INDEX credentials_user_id ON credentials (user_id);
CREATE UNIQUE INDEX credentials_one_password ON credentials (user_id) WHERE kind = 'password';

-- The previous version reads and writes users.password_hash. Triggers keep the tables equal. A hash
-- that the previous version writes is copied to credentials, and counts as a change of the user. A
-- hash in credentials is copied to users.
CREATE TRIGGER users_password_to_credentials_insert
    AFTER INSERT ON users
    FOR EACH ROW
    WHEN NEW.password_hash <> ''
BEGIN
    INSERT INTO credentials (id, user_id, kind, data, created_at)
        VALUES (NEW.id, NEW.id, 'password', NEW.password_hash, NEW.created_at);
END;

CREATE TRIGGER users_password_to_credentials_update
    AFTER UPDATE OF password_hash ON users
    FOR EACH ROW
    WHEN NEW.password_hash <> '' AND NOT EXISTS (
        SELECT 1 FROM credentials WHERE user_id = NEW.id AND kind = 'password' AND data = NEW.password_hash)
BEGIN
    UPDATE credentials SET data = NEW.password_hash WHERE user_id = NEW.id AND kind = 'password';
    INSERT INTO credentials (id, user_id, kind, data, created_at)
        SELECT NEW.id, NEW.id, 'password', NEW.password_hash, NEW.created_at
        WHERE NOT EXISTS (SELECT 1 FROM credentials WHERE user_id = NEW.id AND kind = 'password');
    UPDATE users SET revision = revision + 1 WHERE id = NEW.id;
END;

CREATE TRIGGER credentials_password_to_users_insert
    AFTER INSERT ON credentials
    FOR EACH ROW
    WHEN NEW.kind = 'password'
BEGIN
    UPDATE users SET password_hash = NEW.data WHERE id = NEW.user_id AND password_hash <> NEW.data;
END;

CREATE TRIGGER credentials_password_to_users_update
    AFTER UPDATE OF data ON credentials
    FOR EACH ROW
    WHEN NEW.kind = 'password'
BEGIN
    UPDATE users SET password_hash = NEW.data WHERE id = NEW.user_id AND password_hash <> NEW.data;
END;
