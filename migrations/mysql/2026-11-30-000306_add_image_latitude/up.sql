-- Where it was taken, in degrees north (WGS 84). NULL: unknown.
ALTER TABLE etiqueta_image ADD COLUMN latitude DOUBLE NULL;
