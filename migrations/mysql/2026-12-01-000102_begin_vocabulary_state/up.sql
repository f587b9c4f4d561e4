-- The vocabulary was never changed.
INSERT IGNORE INTO etiqueta_vocabulary_state (id, version) VALUES (1, 0);
