-- For the words of an entry that is replaced.
CREATE INDEX IF NOT EXISTS etiqueta_vocabulary_word_entry ON etiqueta_vocabulary_word (entry);
