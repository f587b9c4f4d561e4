-- What a job is asked to do (request: JSON), the last image when it was made (as position in etiqueta_job), its first errors
-- (JSON), and how many labels of its result were dropped.
CREATE TABLE IF NOT EXISTS etiqueta_job_detail (
    job_id BINARY(16) NOT NULL PRIMARY KEY,
    request MEDIUMBLOB NOT NULL,
    last_image VARBINARY(24) NULL,
    errors MEDIUMBLOB NULL,
    more BIGINT NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
