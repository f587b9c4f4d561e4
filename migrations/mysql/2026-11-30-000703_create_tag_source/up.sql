-- Who said what of an image, for those of its labels of which it is not just the image's own provider that gave the shown
-- tag; and rejected labels. source: 0 a provider, 1 a person, 2 the file, 3 rejected. provider, version: UTF-8; NULL:
-- unknown. is_shown: whether it is the tag in etiqueta_image_tag.
CREATE TABLE IF NOT EXISTS etiqueta_tag_source (
    image_id BINARY(16) NOT NULL,
    number INT NOT NULL,
    label_id INT NOT NULL,
    source INT NOT NULL,
    provider VARBINARY(256) NULL,
    version VARBINARY(256) NULL,
    confidence DOUBLE NOT NULL,
    is_shown INT NOT NULL,
    PRIMARY KEY (image_id, number)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
