-- The identity of the file it was imported from: SHA-256 of the content's digest and the path. NULL: it was not imported.
ALTER TABLE etiqueta_image ADD COLUMN import_key BINARY(32) NULL;
