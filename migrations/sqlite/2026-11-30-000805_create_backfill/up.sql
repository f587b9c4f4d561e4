-- The pass that fills what is unknown of images of earlier versions: one row, made when it begins. place is the id of the
-- last image that it came to; done_at is NULL until it is over for good.
CREATE TABLE IF NOT EXISTS etiqueta_backfill (
    id INTEGER NOT NULL PRIMARY KEY,
    place BLOB NOT NULL CHECK (length(place) = 16),
    begun_at INTEGER NOT NULL,
    done_at INTEGER
) STRICT;
