-- Work that one server does at a time, by name. fence stands for the lease of the server that holds it; expires_at is by
-- the clock of the database.
CREATE TABLE IF NOT EXISTS etiqueta_lease (
    name TEXT NOT NULL PRIMARY KEY,
    fence INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
