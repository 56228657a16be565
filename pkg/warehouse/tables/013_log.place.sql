-- The prefecture of its municipality.
ALTER TABLE {name} {on_cluster}
    ADD COLUMN IF NOT EXISTS prefecture String ALIAS left(municipality, 2);
