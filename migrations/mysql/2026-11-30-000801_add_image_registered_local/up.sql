-- When it was registered, by a clock in the server's time zone, in the form of taken_at. NULL: a server from before the
-- column registered the image, and no backfill has come to it.
ALTER TABLE etiqueta_image ADD COLUMN registered_local BIGINT NULL;
