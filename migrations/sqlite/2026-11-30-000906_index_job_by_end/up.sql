-- For the jobs that ended long ago.
CREATE INDEX IF NOT EXISTS etiqueta_job_end ON etiqueta_job (finished_at);
