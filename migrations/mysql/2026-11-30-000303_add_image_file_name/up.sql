-- The name of the file it was uploaded as, 255 bytes at most. NULL: unknown.
ALTER TABLE etiqueta_image ADD COLUMN file_name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL;
