-- The version of the tag provider that tagged it last. NULL: unknown.
ALTER TABLE etiqueta_image ADD COLUMN provider_version TEXT;
