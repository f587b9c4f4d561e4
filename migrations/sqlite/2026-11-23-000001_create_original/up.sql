-- claimed_until: NULL as soon as an image refers to the original, so that the index finds the few
-- that none refers to. removing_until: set from a removal's claim to the next upload's.
CREATE TABLE IF NOT EXISTS etiqueta_original (
    id INTEGER NOT NULL PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    media_type TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    byte_size INTEGER NOT NULL,
    claimed_until INTEGER,
    removing_until INTEGER
) STRICT;
