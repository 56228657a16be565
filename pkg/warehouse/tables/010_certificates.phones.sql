-- Certificates on smartphones: the device that holds one, the card's certificate (serial) that it is bound to, and, as
-- theirs alone can be suspended more than once, every suspension and release, in Unix milliseconds.
ALTER TABLE {name} {on_cluster}
    ADD COLUMN IF NOT EXISTS device   SimpleAggregateFunction(max, String),
    ADD COLUMN IF NOT EXISTS parent   SimpleAggregateFunction(max, UInt64),
    ADD COLUMN IF NOT EXISTS holds    SimpleAggregateFunction(groupUniqArrayArray, Array(UInt64)),
    ADD COLUMN IF NOT EXISTS releases SimpleAggregateFunction(groupUniqArrayArray, Array(UInt64));
