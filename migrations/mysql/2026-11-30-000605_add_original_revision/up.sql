-- Changes with each image of the original that is recorded or deleted, so that these conflict with claims for removal.
ALTER TABLE etiqueta_original ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
