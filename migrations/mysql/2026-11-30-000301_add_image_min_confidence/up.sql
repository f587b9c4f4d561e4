-- The threshold it was registered with. NULL: an earlier version registered it.
ALTER TABLE etiqueta_image ADD COLUMN min_confidence DOUBLE NULL;
