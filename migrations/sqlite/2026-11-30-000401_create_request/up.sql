-- Requests with an idempotency key. id is a digest (SHA-256) of the key and its owner, fingerprint one of what was
-- asked for. outcome is the id of the image that was registered, NULL while the request is carried out under the
-- lease that fence stands for. expires_at ends the lease, or the outcome.
CREATE TABLE IF NOT EXISTS etiqueta_request (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
    fence INTEGER NOT NULL,
    outcome BLOB NULL CHECK (length(outcome) = 16),
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
