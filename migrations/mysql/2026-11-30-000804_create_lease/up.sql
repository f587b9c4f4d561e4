-- Work that one server does at a time, by name. fence stands for the lease of the server that holds it; expires_at is by
-- the clock of the database.
CREATE TABLE IF NOT EXISTS etiqueta_lease (
    name VARCHAR(64) NOT NULL PRIMARY KEY,
    fence BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
