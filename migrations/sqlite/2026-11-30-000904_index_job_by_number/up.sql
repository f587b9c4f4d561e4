-- The list of jobs, newest first.
CREATE UNIQUE INDEX IF NOT EXISTS etiqueta_job_number ON etiqueta_job (number);
