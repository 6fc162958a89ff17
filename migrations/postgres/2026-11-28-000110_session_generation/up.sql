-- What the database knows of a session's refresh tokens: the generation of the newest one and the
-- time of its rotation, both written behind, and the last time that a change of password voided
-- older generations.
ALTER TABLE sessions ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN rotated_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN voided_at BIGINT;

CREATE INDEX sessions_voided ON sessions (voided_at) WHERE voided_at IS NOT NULL;
