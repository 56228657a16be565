-- Which change of the resident record an event tells of.
ALTER TABLE {name} {on_cluster}
    ADD COLUMN IF NOT EXISTS change LowCardinality(String);
