-- The number of images in a segment of level 0; 0 or NULL where it is unknown.
ALTER TABLE etiqueta_summary_segment ADD COLUMN images INTEGER;
