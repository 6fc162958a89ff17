-- Holds a row only while a replica checks whether the database accepts writes.
CREATE TABLE write_probes (
    id TEXT NOT NULL PRIMARY KEY,
    data TEXT NOT NULL
);
