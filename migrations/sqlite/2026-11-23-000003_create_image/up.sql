CREATE TABLE IF NOT EXISTS etiqueta_image (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    original_id INTEGER NOT NULL REFERENCES etiqueta_original (id),
    registered_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
