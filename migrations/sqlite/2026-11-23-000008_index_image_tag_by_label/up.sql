-- The list of a label's images, newest first; registered_at is the image's. It also covers what is
-- counted by label.
CREATE INDEX IF NOT EXISTS etiqueta_image_tag_newest
    ON etiqueta_image_tag (label_id, registered_at, image_id, confidence);
