-- One row. sealed_until: images of earlier times are in the segments. Who records an image holds the
-- row shared, who writes segments holds it alone.
CREATE TABLE IF NOT EXISTS etiqueta_summary_state (
    id INT NOT NULL PRIMARY KEY,
    sealed_until BIGINT NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
