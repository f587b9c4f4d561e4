-- API keys. digest is the SHA-256 of the secret, which is nowhere. scopes are words with commas.
CREATE TABLE IF NOT EXISTS etiqueta_api_key (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NULL,
    last_used_at INTEGER NULL
) STRICT, WITHOUT ROWID;
