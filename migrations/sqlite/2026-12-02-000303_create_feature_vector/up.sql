-- The features behind the code of the same id, a signed byte each. Apart from the codes, which are read all at once.
CREATE TABLE IF NOT EXISTS etiqueta_feature_vector (
    id INTEGER NOT NULL PRIMARY KEY,
    vector BLOB NOT NULL
) STRICT;
