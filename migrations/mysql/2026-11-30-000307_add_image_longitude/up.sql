-- Where it was taken, in degrees east (WGS 84). NULL: unknown.
ALTER TABLE etiqueta_image ADD COLUMN longitude DOUBLE NULL;
