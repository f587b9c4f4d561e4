-- The path of that file, 4096 bytes at most.
ALTER TABLE etiqueta_image ADD COLUMN import_path TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL;
