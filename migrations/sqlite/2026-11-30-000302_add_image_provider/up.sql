-- The name of the tag provider that tagged it when it was registered. NULL: unknown.
ALTER TABLE etiqueta_image ADD COLUMN provider TEXT;
