-- Messages that are still to be sent. A row is inserted in the transaction of the change that it
-- tells of, and deleted once the message is sent. No row references a user, because a message about
-- a deletion is sent after the deletion.
CREATE TABLE outbox (
    -- Also in the Message-ID of a mail, so that a mail that is sent twice is recognised.
    id TEXT NOT NULL PRIMARY KEY,
    -- `mail` is the only kind.
    kind TEXT NOT NULL,
    -- What the message is about, such as `verify_email`.
    topic TEXT NOT NULL,
    user_id TEXT,
    -- The message, sealed like a signing key, because it may contain a code.
    sealed TEXT NOT NULL,
    -- Times are milliseconds since the Unix epoch.
    created_at BIGINT NOT NULL,
    -- When a replica may claim the row. A replica that claims it moves the time to the end of its
    -- lease.
    due_at BIGINT NOT NULL,
    -- Number of claims so far. The outcome of an earlier claim changes nothing.
    attempts BIGINT NOT NULL DEFAULT 0,
    last_error TEXT,
    -- Set when no further attempt is made.
    given_up_at BIGINT
);
CREATE INDEX outbox_due ON outbox (due_at) WHERE given_up_at IS NULL;
CREATE INDEX outbox_user_id ON outbox (user_id);
