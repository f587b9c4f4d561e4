-- The number of images in a segment of level 0; 0 where it is unknown. No default: versions from before this column
-- must not write segments, as they would leave the rows of etiqueta_summary_change behind.
ALTER TABLE etiqueta_summary_segment ADD COLUMN images BIGINT NOT NULL;
