-- The index is the list of all images, newest first, and covers it.
CREATE TABLE IF NOT EXISTS etiqueta_image (
    id BINARY(16) NOT NULL PRIMARY KEY,
    original_id BIGINT NOT NULL,
    registered_at BIGINT NOT NULL,
    KEY etiqueta_image_newest (registered_at, id, original_id),
    KEY etiqueta_image_original (original_id),
    CONSTRAINT etiqueta_image_has_original
        FOREIGN KEY (original_id) REFERENCES etiqueta_original (id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
