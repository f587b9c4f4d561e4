-- When it was taken, by the camera's own clock: microseconds since 1970-01-01 00:00:00 of that clock, in whole
-- seconds. NULL: unknown.
ALTER TABLE etiqueta_image ADD COLUMN taken_at BIGINT NULL;
