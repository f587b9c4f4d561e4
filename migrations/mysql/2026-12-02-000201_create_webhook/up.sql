-- Webhooks. slot: 0 to 99, each taken once, so that there are never more. events are words with commas. secret signs, so it is
-- here as it is. state: 0 active, 1 gone (its endpoint answered 410), 2 disabled because too much waited. paused_until: its
-- endpoint asked to be left alone. Times are those of the database.
CREATE TABLE IF NOT EXISTS etiqueta_webhook (
    id BINARY(16) NOT NULL PRIMARY KEY,
    slot INT NOT NULL,
    url VARCHAR(2048) NOT NULL,
    events VARCHAR(255) NOT NULL,
    secret BINARY(32) NOT NULL,
    state INT NOT NULL,
    paused_until BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE KEY etiqueta_webhook_slot (slot)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
