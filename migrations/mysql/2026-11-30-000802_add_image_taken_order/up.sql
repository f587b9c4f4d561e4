-- What lists in the order of taking are sorted by, computed by the database, so that servers from before it insert as they
-- did. Stored, although this rewrites the table: MariaDB opens the table to purge rows of an indexed virtual column, which it
-- cannot while it starts with wsrep_recover, and then never ends, so that a node of a cluster would not come back.
ALTER TABLE etiqueta_image ADD COLUMN taken_order BIGINT
    GENERATED ALWAYS AS (COALESCE(taken_at, registered_local, registered_at)) STORED;
