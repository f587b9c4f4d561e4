-- The list of all images in the order of taking.
ALTER TABLE etiqueta_image ADD KEY etiqueta_image_taken (taken_order, id);
