-- For the requests that have expired.
CREATE INDEX IF NOT EXISTS etiqueta_request_expiry ON etiqueta_request (expires_at);
