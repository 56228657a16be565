-- Where it happened (the municipality that the event names, else where the person lived then, else the office's), and its prefecture.
ALTER TABLE {name} {on_cluster}
    ADD COLUMN IF NOT EXISTS municipality LowCardinality(String),
    ADD COLUMN IF NOT EXISTS prefecture String ALIAS left(municipality, 2);
