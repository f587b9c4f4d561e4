-- registered_at is the image's: with it the second key is the list of a label's images, newest
-- first. It also covers what is counted by label.
CREATE TABLE IF NOT EXISTS etiqueta_image_tag (
    image_id BINARY(16) NOT NULL,
    label_id INT NOT NULL,
    registered_at BIGINT NOT NULL,
    confidence DOUBLE NOT NULL,
    PRIMARY KEY (image_id, label_id),
    KEY etiqueta_image_tag_newest (label_id, registered_at, image_id, confidence),
    CONSTRAINT etiqueta_image_tag_has_image
        FOREIGN KEY (image_id) REFERENCES etiqueta_image (id),
    CONSTRAINT etiqueta_image_tag_has_label
        FOREIGN KEY (label_id) REFERENCES etiqueta_label (id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
