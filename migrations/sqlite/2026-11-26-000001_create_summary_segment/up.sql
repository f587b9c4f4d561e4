-- How labels are used by the images of a stretch of time: from_time is the first microsecond inside,
-- until_time the first one after it. The segments of a level follow each other without a gap.
-- content: see the crate image-store-diesel, src/usage.rs.
CREATE TABLE IF NOT EXISTS etiqueta_summary_segment (
    level INTEGER NOT NULL,
    from_time INTEGER NOT NULL,
    until_time INTEGER NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (level, from_time)
) STRICT;
