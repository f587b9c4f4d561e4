-- How each label changed by a job: in how many images, and by how much confidences moved in all.
CREATE TABLE IF NOT EXISTS etiqueta_job_tag (
    job_id BINARY(16) NOT NULL,
    label_id INT NOT NULL,
    gained BIGINT NOT NULL,
    lost BIGINT NOT NULL,
    moved BIGINT NOT NULL,
    sum_of_moves DOUBLE NOT NULL,
    PRIMARY KEY (job_id, label_id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
