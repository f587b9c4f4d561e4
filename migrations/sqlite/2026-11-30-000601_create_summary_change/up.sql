-- Changes that no segment includes yet: one row for each image that was recorded, and for each change of one. id: the
-- image's, or a random one. registered_at: the image's. A rollup deletes the rows of those that it counted.
CREATE TABLE IF NOT EXISTS etiqueta_summary_change (
    registered_at INTEGER NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    PRIMARY KEY (registered_at, id)
) STRICT, WITHOUT ROWID;
