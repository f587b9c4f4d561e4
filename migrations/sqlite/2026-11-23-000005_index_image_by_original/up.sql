CREATE INDEX IF NOT EXISTS etiqueta_image_original ON etiqueta_image (original_id);
