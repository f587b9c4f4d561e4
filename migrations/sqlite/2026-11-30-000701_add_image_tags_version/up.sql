-- Changes with every change of its tags, so that edits and the deletion of an image conflict on every kind of cluster.
ALTER TABLE etiqueta_image ADD COLUMN tags_version INTEGER NOT NULL DEFAULT 0;
