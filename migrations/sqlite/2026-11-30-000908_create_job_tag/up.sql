-- How each label changed by a job: in how many images, and by how much confidences moved in all.
CREATE TABLE IF NOT EXISTS etiqueta_job_tag (
    job_id BLOB NOT NULL,
    label_id INTEGER NOT NULL,
    gained INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    moved INTEGER NOT NULL,
    sum_of_moves REAL NOT NULL,
    PRIMARY KEY (job_id, label_id)
) STRICT, WITHOUT ROWID;
