-- Jobs. kind: 0 retag, 1 edit, 2 delete. state: 0 queued, 1 running, 2 done, 3 failed, 4 cancelled. position: the image that
-- the job is done with, its time (8 bytes, most significant first) and its id. fence and leased_until: the lease of the server
-- that carries it out. Times are those of the database.
CREATE TABLE IF NOT EXISTS etiqueta_job (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    number INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    state INTEGER NOT NULL,
    dry_run INTEGER NOT NULL,
    total INTEGER NOT NULL,
    done INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    position BLOB NULL CHECK (length(position) = 24),
    pauses INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    leased_until INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    started_at INTEGER NULL,
    finished_at INTEGER NULL
) STRICT, WITHOUT ROWID;
