-- Names are UTF-8; tags: JSON, [[label, confidence], ...].
CREATE TABLE IF NOT EXISTS etiqueta_tagging (
    id INTEGER NOT NULL PRIMARY KEY,
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    provider BLOB NOT NULL,
    version BLOB NOT NULL,
    language BLOB NOT NULL,
    max_side INTEGER NOT NULL,
    tagged_at INTEGER NOT NULL,
    tags BLOB NOT NULL,
    UNIQUE (digest, provider, version, language, max_side)
) STRICT;
