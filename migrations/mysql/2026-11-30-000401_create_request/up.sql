-- Requests with an idempotency key. id is a digest (SHA-256) of the key and its owner, fingerprint one of what was
-- asked for. outcome is the id of the image that was registered, NULL while the request is carried out under the
-- lease that fence stands for. expires_at ends the lease, or the outcome.
CREATE TABLE IF NOT EXISTS etiqueta_request (
    id BINARY(32) NOT NULL PRIMARY KEY,
    fingerprint BINARY(32) NOT NULL,
    fence BIGINT NOT NULL,
    outcome BINARY(16) NULL,
    expires_at BIGINT NOT NULL,
    KEY etiqueta_request_expiry (expires_at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
