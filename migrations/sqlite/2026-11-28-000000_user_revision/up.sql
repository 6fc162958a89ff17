-- Counts the changes of a user that a running login must notice: password, scopes, roles, email,
-- disabled.
ALTER TABLE users ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;

-- The previous version does not know the column. A trigger counts its changes.
CREATE TRIGGER users_count_revision
    AFTER UPDATE OF scope, roles, email, disabled_at ON users
    FOR EACH ROW
    WHEN NEW.revision = OLD.revision AND (NEW.scope IS NOT OLD.scope OR NEW.roles IS NOT OLD.roles
        OR NEW.email IS NOT OLD.email OR NEW.disabled_at IS NOT OLD.disabled_at)
BEGIN
    UPDATE users SET revision = OLD.revision + 1 WHERE id = NEW.id;
END;
