-- A cluster takes the parent of a foreign key for written, so that images with a label in common would conflict. Labels
-- are never deleted.
ALTER TABLE etiqueta_image_tag DROP FOREIGN KEY etiqueta_image_tag_has_label;
