-- The codes of a model, in the order of their ids.
CREATE INDEX IF NOT EXISTS etiqueta_feature_model ON etiqueta_feature (model, id);
