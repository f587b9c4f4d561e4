CREATE INDEX IF NOT EXISTS etiqueta_original_claimed
    ON etiqueta_original (claimed_until, id) WHERE claimed_until IS NOT NULL;
