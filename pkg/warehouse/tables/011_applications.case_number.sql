-- By its case number (the end of the procedure's id), or by the card, an application is found without reading those of
-- everybody.
ALTER TABLE {name} {on_cluster}
    ADD INDEX IF NOT EXISTS case_number right(procedure, 8) TYPE bloom_filter GRANULARITY 1,
    ADD INDEX IF NOT EXISTS card card TYPE bloom_filter GRANULARITY 1;
