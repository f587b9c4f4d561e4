-- Deliveries of events to webhooks. state: 0 waits, 1 failed for good; one that was made is deleted. due_at: when it is due, when
-- the lease of the server that makes it ends, or when it failed for good. event: 0 image.created, 1 image.tagged,
-- 2 image.updated, 3 image.deleted, 4 job.finished. subject: the id of the image or job. Times are those of the database.
CREATE TABLE IF NOT EXISTS etiqueta_delivery (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    webhook_id BLOB NOT NULL CHECK (length(webhook_id) = 16),
    state INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    event INTEGER NOT NULL,
    subject BLOB NOT NULL CHECK (length(subject) = 16),
    happened_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    tried_at INTEGER NOT NULL,
    error TEXT NULL
) STRICT, WITHOUT ROWID;
