-- The version of the tag provider that tagged it last. NULL: unknown.
ALTER TABLE etiqueta_image ADD COLUMN provider_version VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL;
