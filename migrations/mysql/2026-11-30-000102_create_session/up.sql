-- Sessions of browsers. token and api_key are digests (SHA-256): of the cookie, and of the secret of the key
-- that the session stands for. There need be no such key: it may have been revoked, or is that of the settings.
CREATE TABLE IF NOT EXISTS etiqueta_session (
    token BINARY(32) NOT NULL PRIMARY KEY,
    api_key BINARY(32) NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    KEY etiqueta_session_oldest (created_at),
    KEY etiqueta_session_key (api_key)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
