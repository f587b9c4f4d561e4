-- One row: what tells this database from others that keep originals in the same place. The program
-- makes it; who copies a database deletes it from the copy.
CREATE TABLE IF NOT EXISTS etiqueta_database (
    id INTEGER NOT NULL PRIMARY KEY,
    uuid BLOB NOT NULL CHECK (length(uuid) = 16)
) STRICT;
