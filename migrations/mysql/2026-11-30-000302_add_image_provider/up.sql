-- The name of the tag provider that tagged it when it was registered. NULL: unknown.
ALTER TABLE etiqueta_image ADD COLUMN provider VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL;
