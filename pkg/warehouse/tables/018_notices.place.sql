-- Where the person lived when the notice fell due, and its prefecture.
ALTER TABLE {name} {on_cluster}
    ADD COLUMN IF NOT EXISTS municipality SimpleAggregateFunction(max, LowCardinality(String)),
    ADD COLUMN IF NOT EXISTS prefecture String ALIAS left(municipality, 2);
