-- No two images are imported from one file.
ALTER TABLE etiqueta_image ADD UNIQUE KEY etiqueta_image_import (import_key);
