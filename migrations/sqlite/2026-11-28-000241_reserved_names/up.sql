-- Usernames that an operator reserved with `auth-service apply`. Names of one appearance look alike.
CREATE TABLE reserved_names (
    name TEXT PRIMARY KEY NOT NULL,
    appearance TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX reserved_names_appearance ON reserved_names (appearance);
