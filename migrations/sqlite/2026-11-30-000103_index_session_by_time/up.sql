-- For the oldest sessions, which go when there are too many.
CREATE INDEX IF NOT EXISTS etiqueta_session_oldest ON etiqueta_session (created_at);
