-- The last job when the image was recorded: later jobs may change it. NULL: a server from before jobs recorded it.
ALTER TABLE etiqueta_image ADD COLUMN job_number INTEGER NULL;
