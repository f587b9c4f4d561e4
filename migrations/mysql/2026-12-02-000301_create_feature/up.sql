-- Codes of originals, by which look-alikes and duplicates are found: words of eight bytes, most significant first; empty where
-- an original has none. model: the network or the hash that a code is of. The second index lists those of a model.
CREATE TABLE IF NOT EXISTS etiqueta_feature (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    digest BINARY(32) NOT NULL,
    model VARBINARY(64) NOT NULL,
    code VARBINARY(128) NOT NULL,
    UNIQUE KEY etiqueta_feature_key (digest, model),
    KEY etiqueta_feature_model (model, id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
