-- Deliveries of events to webhooks. state: 0 waits, 1 failed for good; one that was made is deleted. due_at: when it is due, when
-- the lease of the server that makes it ends, or when it failed for good. event: 0 image.created, 1 image.tagged,
-- 2 image.updated, 3 image.deleted, 4 job.finished. subject: the id of the image or job. Times are those of the database.
CREATE TABLE IF NOT EXISTS etiqueta_delivery (
    id BINARY(16) NOT NULL PRIMARY KEY,
    webhook_id BINARY(16) NOT NULL,
    state INT NOT NULL,
    due_at BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    event INT NOT NULL,
    subject BINARY(16) NOT NULL,
    happened_at BIGINT NOT NULL,
    attempts INT NOT NULL,
    tried_at BIGINT NOT NULL,
    error VARCHAR(255) NULL,
    KEY etiqueta_delivery_webhook (webhook_id, state, due_at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
