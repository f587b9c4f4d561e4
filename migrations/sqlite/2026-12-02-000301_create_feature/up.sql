-- Codes of originals, by which look-alikes and duplicates are found: words of eight bytes, most significant first; empty where
-- an original has none. model: the network or the hash that a code is of. No id is given twice.
CREATE TABLE IF NOT EXISTS etiqueta_feature (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    model BLOB NOT NULL,
    code BLOB NOT NULL,
    UNIQUE (digest, model)
) STRICT;
