-- The pass that fills what is unknown of images of earlier versions: one row, made when it begins. place is the id of the
-- last image that it came to; done_at is NULL until it is over for good.
CREATE TABLE IF NOT EXISTS etiqueta_backfill (
    id INT NOT NULL PRIMARY KEY,
    place BINARY(16) NOT NULL,
    begun_at BIGINT NOT NULL,
    done_at BIGINT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
