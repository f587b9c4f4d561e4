-- One row: how often the vocabulary was changed. Each change writes it, so that two at once conflict.
CREATE TABLE IF NOT EXISTS etiqueta_vocabulary_state (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
) STRICT;
