-- One row. sealed_until: images of earlier times are in the segments.
CREATE TABLE IF NOT EXISTS etiqueta_summary_state (
    id INTEGER NOT NULL PRIMARY KEY,
    sealed_until INTEGER NOT NULL
) STRICT;
