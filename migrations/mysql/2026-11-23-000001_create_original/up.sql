-- claimed_until: NULL as soon as an image refers to the original, so that the index finds the few
-- that none refers to. removing_until: set from a removal's claim to the next upload's.
CREATE TABLE IF NOT EXISTS etiqueta_original (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    digest BINARY(32) NOT NULL,
    media_type VARCHAR(64) NOT NULL,
    width BIGINT NOT NULL,
    height BIGINT NOT NULL,
    byte_size BIGINT NOT NULL,
    claimed_until BIGINT NULL,
    removing_until BIGINT NULL,
    UNIQUE KEY etiqueta_original_digest (digest),
    KEY etiqueta_original_claimed (claimed_until, id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
