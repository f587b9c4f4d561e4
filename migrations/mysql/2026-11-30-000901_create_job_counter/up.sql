-- One row: the number of the last job. Whoever makes a job writes it, so that two at once conflict.
CREATE TABLE IF NOT EXISTS etiqueta_job_counter (
    id INT NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
