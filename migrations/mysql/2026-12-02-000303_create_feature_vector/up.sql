-- The features behind the code of the same id, a signed byte each. Apart from the codes, which are read all at once.
CREATE TABLE IF NOT EXISTS etiqueta_feature_vector (
    id BIGINT NOT NULL PRIMARY KEY,
    vector VARBINARY(4096) NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
