-- A cluster takes the parent of a foreign key for written. Used originals are kept by claims.
ALTER TABLE etiqueta_image DROP FOREIGN KEY etiqueta_image_has_original;
