-- Counts the changes of a user that a running login must notice: password, scopes, roles, email,
-- disabled.
ALTER TABLE users ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;

-- The previous version does not know the column. A trigger counts its changes, until no replica of
-- the previous version runs.
CREATE FUNCTION users_count_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.revision := OLD.revision + 1;
    RETURN NEW;
END
$$;
CREATE TRIGGER users_count_revision
    BEFORE UPDATE OF scope, roles, email, disabled_at ON users
    FOR EACH ROW
    WHEN (NEW.revision = OLD.revision AND (NEW.scope, NEW.roles, NEW.email, NEW.disabled_at)
        IS DISTINCT FROM (OLD.scope, OLD.roles, OLD.email, OLD.disabled_at))
    EXECUTE FUNCTION users_count_revision();
