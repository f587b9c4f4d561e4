-- No job has been made.
INSERT OR IGNORE INTO etiqueta_job_counter (id, number) VALUES (1, 0);
