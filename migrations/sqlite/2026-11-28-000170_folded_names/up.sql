-- Names by Unicode's full case folding, and addresses with the A-label of the domain. A row of the
-- previous version has NULL until a job fills the columns. If another user has the folded name
-- already, the column gets `!` and the id, which no name can be.
ALTER TABLE users ADD COLUMN folded_username TEXT;
ALTER TABLE users ADD COLUMN folded_email TEXT;
CREATE UNIQUE INDEX users_folded_username ON users (folded_username) WHERE folded_username IS NOT NULL;
CREATE UNIQUE INDEX users_folded_email ON users (folded_email) WHERE folded_email IS NOT NULL;
CREATE INDEX users_to_fold ON users (id) WHERE folded_username IS NULL OR folded_email IS NULL;
