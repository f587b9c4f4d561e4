-- Maker and model of the camera, 255 bytes at most. NULL: unknown.
ALTER TABLE etiqueta_image ADD COLUMN camera TEXT;
