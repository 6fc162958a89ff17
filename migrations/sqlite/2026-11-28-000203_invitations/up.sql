-- Invitations to register. A row is deleted when its code is used, so that of several uses at once
-- exactly one succeeds. No row references a user, because the invited person is not a user yet.
CREATE TABLE invitations (
    -- MAC of the code and the address. The code itself is not stored.
    mac TEXT NOT NULL PRIMARY KEY,
    -- The address as the operator wrote it, and in the form in which it is unique.
    email TEXT NOT NULL,
    folded_email TEXT NOT NULL,
    -- Scopes and roles of the new user, separated by spaces.
    scope TEXT NOT NULL,
    roles TEXT NOT NULL,
    -- When the code was mailed to the address, so that its use proves the address. NULL: it was
    -- printed for the operator. Times are milliseconds since the Unix epoch.
    mailed_at BIGINT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX invitations_folded_email ON invitations (folded_email);
CREATE INDEX invitations_expires_at ON invitations (expires_at);
