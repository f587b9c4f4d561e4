-- The name of the file it was uploaded as, 255 bytes at most. NULL: unknown.
ALTER TABLE etiqueta_image ADD COLUMN file_name TEXT;
