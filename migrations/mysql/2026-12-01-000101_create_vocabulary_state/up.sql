-- One row: how often the vocabulary was changed. Each change writes it, so that two at once conflict.
CREATE TABLE IF NOT EXISTS etiqueta_vocabulary_state (
    id INT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
