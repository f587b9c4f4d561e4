-- Webhooks. slot: 0 to 99, each taken once, so that there are never more. events are words with commas. secret signs, so it is
-- here as it is. state: 0 active, 1 gone (its endpoint answered 410), 2 disabled because too much waited. paused_until: its
-- endpoint asked to be left alone. Times are those of the database.
CREATE TABLE IF NOT EXISTS etiqueta_webhook (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    slot INTEGER NOT NULL UNIQUE,
    url TEXT NOT NULL,
    events TEXT NOT NULL,
    secret BLOB NOT NULL CHECK (length(secret) = 32),
    state INTEGER NOT NULL,
    paused_until INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
