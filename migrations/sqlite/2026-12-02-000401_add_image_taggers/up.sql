-- The tag providers that tagged it last, if they are several: JSON, names with versions, its own first. It counts while its
-- own is the one of provider and provider_version, which a server from before this column may have changed.
ALTER TABLE etiqueta_image ADD COLUMN taggers TEXT;
