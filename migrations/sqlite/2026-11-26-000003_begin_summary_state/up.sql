-- Before all time: nothing is in the segments yet.
INSERT OR IGNORE INTO etiqueta_summary_state (id, sealed_until) VALUES (1, -9223372036854775808);
