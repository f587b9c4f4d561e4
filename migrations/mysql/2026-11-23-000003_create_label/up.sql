-- utf8mb4_bin exists everywhere and tells all characters apart. It ignores blanks at the end, which
-- labels never have.
CREATE TABLE IF NOT EXISTS etiqueta_label (
    id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name VARCHAR(255) NOT NULL,
    UNIQUE KEY etiqueta_label_name (name)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
