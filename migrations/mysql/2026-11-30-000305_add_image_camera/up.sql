-- Maker and model of the camera, 255 bytes at most. NULL: unknown.
ALTER TABLE etiqueta_image ADD COLUMN camera VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL;
