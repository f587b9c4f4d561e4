-- The fencing token: changes with each claim for removal, and with each upload claim that follows one.
ALTER TABLE etiqueta_original ADD COLUMN fence INTEGER NOT NULL DEFAULT 0;
