-- Jobs. kind: 0 retag, 1 edit, 2 delete. state: 0 queued, 1 running, 2 done, 3 failed, 4 cancelled. position: the image that
-- the job is done with, its time (8 bytes, most significant first) and its id. fence and leased_until: the lease of the server
-- that carries it out. Times are those of the database.
CREATE TABLE IF NOT EXISTS etiqueta_job (
    id BINARY(16) NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL,
    kind INT NOT NULL,
    state INT NOT NULL,
    dry_run INT NOT NULL,
    total BIGINT NOT NULL,
    done BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    position VARBINARY(24) NULL,
    pauses INT NOT NULL,
    fence BIGINT NOT NULL,
    leased_until BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    started_at BIGINT NULL,
    finished_at BIGINT NULL,
    UNIQUE KEY etiqueta_job_number (number),
    KEY etiqueta_job_state (state, number),
    KEY etiqueta_job_end (finished_at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
