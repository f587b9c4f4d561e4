CREATE TABLE IF NOT EXISTS etiqueta_image_tag (
    image_id BLOB NOT NULL REFERENCES etiqueta_image (id),
    label_id INTEGER NOT NULL REFERENCES etiqueta_label (id),
    registered_at INTEGER NOT NULL,
    confidence REAL NOT NULL,
    PRIMARY KEY (image_id, label_id)
) STRICT, WITHOUT ROWID;
