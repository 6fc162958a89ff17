-- When the user asked to delete the account, in milliseconds since the Unix epoch. NULL: the user
-- did not. `delete_at` then has the end of the grace period.
ALTER TABLE users ADD COLUMN deletion_requested_at BIGINT;
-- The folded form of `email`. No other user gets the address while its former owner has a code that
-- undoes a change.
ALTER TABLE one_time_codes ADD COLUMN folded_email TEXT;
CREATE INDEX one_time_codes_folded_email ON one_time_codes (folded_email) WHERE folded_email IS NOT NULL;
-- Usernames that users have changed, kept as long as the audit trail: no other user gets such a name
-- meanwhile. No row references a user, because the names of a deleted user are kept too.
CREATE TABLE former_usernames (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    username TEXT NOT NULL,
    username_key TEXT NOT NULL,
    folded_username TEXT NOT NULL,
    -- Milliseconds since the Unix epoch.
    changed_at BIGINT NOT NULL
);
CREATE INDEX former_usernames_user_id ON former_usernames (user_id);
CREATE INDEX former_usernames_username_key ON former_usernames (username_key);
CREATE INDEX former_usernames_folded_username ON former_usernames (folded_username);
CREATE INDEX former_usernames_changed_at ON former_usernames (changed_at);
-- Codes that were mailed to addresses that belong to no user yet, for a limit per address and day.
-- No row references a user: a user who is deleted must not reset the limit.
CREATE TABLE address_mails (
    id TEXT NOT NULL PRIMARY KEY,
    -- MAC of the address.
    address_mac TEXT NOT NULL,
    -- Milliseconds since the Unix epoch.
    sent_at BIGINT NOT NULL
);
CREATE INDEX address_mails_address_mac ON address_mails (address_mac, sent_at);
CREATE INDEX address_mails_sent_at ON address_mails (sent_at);
