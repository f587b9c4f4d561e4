-- What a job is asked to do (request: JSON), the last image when it was made (as position in etiqueta_job), its first errors
-- (JSON), and how many labels of its result were dropped.
CREATE TABLE IF NOT EXISTS etiqueta_job_detail (
    job_id BLOB NOT NULL PRIMARY KEY CHECK (length(job_id) = 16),
    request BLOB NOT NULL,
    last_image BLOB NULL CHECK (length(last_image) = 24),
    errors BLOB NULL,
    more INTEGER NOT NULL
) STRICT;
