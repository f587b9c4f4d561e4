-- Changes with every transaction that writes segments, so that two at once conflict on every kind of cluster.
ALTER TABLE etiqueta_summary_state ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
