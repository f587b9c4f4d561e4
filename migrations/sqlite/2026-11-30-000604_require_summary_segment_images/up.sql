-- Versions from before this column must not write segments, as they would leave the rows of etiqueta_summary_change
-- behind.
CREATE TRIGGER IF NOT EXISTS etiqueta_summary_segment_has_images
BEFORE INSERT ON etiqueta_summary_segment WHEN NEW.images IS NULL
BEGIN SELECT RAISE(ABORT, 'segments are written by a newer version of Etiqueta: update this one'); END;
