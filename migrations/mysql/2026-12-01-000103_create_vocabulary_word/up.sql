-- The tags and aliases of the vocabulary, by their full case folding: none is there twice. entry: the folded tag of the
-- entry that a word belongs to, which for a tag is its own. detail: what else the entry says (JSON); NULL for an alias.
CREATE TABLE IF NOT EXISTS etiqueta_vocabulary_word (
    folded VARCHAR(765) NOT NULL PRIMARY KEY,
    text VARCHAR(255) NOT NULL,
    entry VARCHAR(765) NOT NULL,
    detail MEDIUMBLOB NULL,
    KEY etiqueta_vocabulary_word_entry (entry)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
