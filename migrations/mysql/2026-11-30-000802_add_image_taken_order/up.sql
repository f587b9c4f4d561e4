-- What lists in the order of taking are sorted by. Virtual, so that adding it rewrites no row, and that servers from
-- before it insert as they did.
ALTER TABLE etiqueta_image ADD COLUMN taken_order BIGINT
    GENERATED ALWAYS AS (COALESCE(taken_at, registered_local, registered_at)) VIRTUAL;
