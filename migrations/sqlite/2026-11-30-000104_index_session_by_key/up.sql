-- For the sessions that end with a key.
CREATE INDEX IF NOT EXISTS etiqueta_session_key ON etiqueta_session (api_key);
