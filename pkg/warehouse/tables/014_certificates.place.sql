-- The prefecture of where it was issued.
ALTER TABLE {name} {on_cluster}
    ADD COLUMN IF NOT EXISTS prefecture String ALIAS left(municipality, 2);
