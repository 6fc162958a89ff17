ALTER TABLE users DROP COLUMN language;
ALTER TABLE users DROP COLUMN email_verified_at;
