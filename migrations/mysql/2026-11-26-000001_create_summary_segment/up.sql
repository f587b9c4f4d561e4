-- How labels are used by the images of a stretch of time: from_time is the first microsecond inside,
-- until_time the first one after it. The segments of a level follow each other without a gap.
-- content: see the crate image-store-diesel, src/usage.rs.
CREATE TABLE IF NOT EXISTS etiqueta_summary_segment (
    level INT NOT NULL,
    from_time BIGINT NOT NULL,
    until_time BIGINT NOT NULL,
    content LONGBLOB NOT NULL,
    PRIMARY KEY (level, from_time)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
