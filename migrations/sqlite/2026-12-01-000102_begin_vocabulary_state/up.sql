-- The vocabulary was never changed.
INSERT OR IGNORE INTO etiqueta_vocabulary_state (id, version) VALUES (1, 0);
