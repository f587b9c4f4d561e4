-- One row: the number of the last job. Whoever makes a job writes it, so that two at once conflict.
CREATE TABLE IF NOT EXISTS etiqueta_job_counter (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL
) STRICT;
