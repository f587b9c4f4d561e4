-- When the bytes were found missing, altered or unreadable; the next upload of them overwrites whatever
-- is there. NULL: nothing of that kind is known.
ALTER TABLE etiqueta_original ADD COLUMN damaged_at BIGINT NULL;
