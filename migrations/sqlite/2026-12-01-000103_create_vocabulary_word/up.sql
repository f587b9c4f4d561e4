-- The tags and aliases of the vocabulary, by their full case folding: none is there twice. entry: the folded tag of the
-- entry that a word belongs to, which for a tag is its own. detail: what else the entry says (JSON); NULL for an alias.
CREATE TABLE IF NOT EXISTS etiqueta_vocabulary_word (
    folded TEXT NOT NULL PRIMARY KEY,
    text TEXT NOT NULL,
    entry TEXT NOT NULL,
    detail BLOB NULL
) STRICT, WITHOUT ROWID;
