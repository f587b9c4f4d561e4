-- Names are UTF-8 in binary columns: compared byte by byte, blanks at the end included.
-- tags: JSON, [[label, confidence], ...].
CREATE TABLE IF NOT EXISTS etiqueta_tagging (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    digest BINARY(32) NOT NULL,
    provider VARBINARY(256) NOT NULL,
    version VARBINARY(256) NOT NULL,
    language VARBINARY(64) NOT NULL,
    max_side BIGINT NOT NULL,
    tagged_at BIGINT NOT NULL,
    tags MEDIUMBLOB NOT NULL,
    UNIQUE KEY etiqueta_tagging_key (digest, provider, version, language, max_side)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
