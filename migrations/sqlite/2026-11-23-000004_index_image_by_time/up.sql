-- The list of all images, newest first.
CREATE INDEX IF NOT EXISTS etiqueta_image_newest
    ON etiqueta_image (registered_at, id, original_id);
