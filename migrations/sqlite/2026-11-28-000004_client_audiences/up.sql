-- Audiences of a client's own access tokens, separated by spaces. Empty: the audiences of the
-- setting AUDIENCE.
ALTER TABLE clients ADD COLUMN audiences TEXT NOT NULL DEFAULT '';
