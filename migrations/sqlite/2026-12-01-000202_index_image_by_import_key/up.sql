-- No two images are imported from one file.
CREATE UNIQUE INDEX IF NOT EXISTS etiqueta_image_import ON etiqueta_image (import_key);
