-- The list of all images in the order of taking. Apart from the column: MySQL adds both in place, but not at once.
ALTER TABLE etiqueta_image ADD KEY etiqueta_image_taken (taken_order, id);
