-- Who said what of an image, for those of its labels of which it is not just the image's own provider that gave the shown
-- tag; and rejected labels. source: 0 a provider, 1 a person, 2 the file, 3 rejected. provider, version: UTF-8; NULL:
-- unknown. is_shown: whether it is the tag in etiqueta_image_tag.
CREATE TABLE IF NOT EXISTS etiqueta_tag_source (
    image_id BLOB NOT NULL,
    number INTEGER NOT NULL,
    label_id INTEGER NOT NULL,
    source INTEGER NOT NULL,
    provider BLOB,
    version BLOB,
    confidence REAL NOT NULL,
    is_shown INTEGER NOT NULL,
    PRIMARY KEY (image_id, number)
) STRICT, WITHOUT ROWID;
