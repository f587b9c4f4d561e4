-- The list of all images in the order of taking.
CREATE INDEX IF NOT EXISTS etiqueta_image_taken ON etiqueta_image (taken_order, id);
