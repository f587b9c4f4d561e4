-- One row: what tells this database from others that keep originals in the same place. The program
-- makes it; who copies a database deletes it from the copy.
CREATE TABLE IF NOT EXISTS etiqueta_database (
    id INT NOT NULL PRIMARY KEY,
    uuid BINARY(16) NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
