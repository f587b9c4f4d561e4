-- Changes that no segment includes yet: one row for each image that was recorded, and for each change of one. id: the
-- image's, or a random one. registered_at: the image's. A rollup deletes the rows of those that it counted.
CREATE TABLE IF NOT EXISTS etiqueta_summary_change (
    registered_at BIGINT NOT NULL,
    id BINARY(16) NOT NULL,
    PRIMARY KEY (registered_at, id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
