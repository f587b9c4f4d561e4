-- Sessions of browsers. token and api_key are digests (SHA-256): of the cookie, and of the secret of the key
-- that the session stands for. There need be no such key: it may have been revoked, or is that of the settings.
CREATE TABLE IF NOT EXISTS etiqueta_session (
    token BLOB NOT NULL PRIMARY KEY CHECK (length(token) = 32),
    api_key BLOB NOT NULL CHECK (length(api_key) = 32),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
