-- For the jobs that have not ended.
CREATE INDEX IF NOT EXISTS etiqueta_job_state ON etiqueta_job (state, number);
