-- When the user proved to read the mail of `email`, in milliseconds since the Unix epoch. NULL: not
-- yet.
ALTER TABLE users ADD COLUMN email_verified_at BIGINT;
-- Language of mails to the user, such as `de`. NULL: English.
ALTER TABLE users ADD COLUMN language TEXT;
