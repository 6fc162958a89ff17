-- Receivers of webhooks.
CREATE TABLE webhooks (
    id TEXT NOT NULL PRIMARY KEY,
    url TEXT NOT NULL UNIQUE,
    -- Types of events, separated by spaces.
    events TEXT NOT NULL,
    -- The secrets that the receiver shares with the service, sealed like a signing key.
    sealed TEXT NOT NULL,
    -- Milliseconds since the Unix epoch.
    created_at BIGINT NOT NULL
);

-- Messages to receivers. A row is inserted in the transaction of the change that it tells of. It is
-- kept for a while after it was sent, so that an operator can send it again. No row references a
-- user, because a message about a deletion is sent after the deletion. Not in the table `outbox`:
-- the previous version would take these rows for mails.
CREATE TABLE webhook_messages (
    -- Also in the header webhook-id, so that a message that is sent twice is recognised.
    id TEXT NOT NULL PRIMARY KEY,
    webhook_id TEXT NOT NULL,
    -- Type of the event.
    event TEXT NOT NULL,
    -- The body, sealed like a signing key.
    sealed TEXT NOT NULL,
    -- Times are milliseconds since the Unix epoch.
    created_at BIGINT NOT NULL,
    -- When a replica may claim the row. A replica that claims it moves the time to the end of its
    -- lease.
    due_at BIGINT NOT NULL,
    -- Number of claims so far. The outcome of an earlier claim changes nothing.
    attempts BIGINT NOT NULL DEFAULT 0,
    last_error TEXT,
    sent_at BIGINT,
    -- Set when no further attempt is made.
    given_up_at BIGINT
);
CREATE INDEX webhook_messages_due ON webhook_messages (webhook_id, due_at)
    WHERE sent_at IS NULL AND given_up_at IS NULL;
CREATE INDEX webhook_messages_created_at ON webhook_messages (created_at);
CREATE INDEX webhook_messages_sent_at ON webhook_messages (sent_at) WHERE sent_at IS NOT NULL;
CREATE INDEX webhook_messages_given_up_at ON webhook_messages (given_up_at)
    WHERE given_up_at IS NOT NULL;
