-- The moves of closed months, summed: how many certificates more (or fewer) had a status at a month's end than at its
-- beginning. Rows with nation = 1 are the whole country's, without places. Months are closed in order, so all up to the
-- newest one here are; a question adds the rows of certificate_moves since.
-- A partition a year, not a month: with 120 parts a municipality's counts took 460 ms, with 14 they take 120 ms (2026-11-30,
-- a million certificates, medians at a load of 13 on two cores): each part costs its opening. Rows of the nation make the
-- overview independent of how many places there are: 37 ms for its sums here. An office's id begins with its
-- municipality's code in nearly all rows, so its least and greatest value in a granule suffice to pass over most; at a
-- million certificates, a few granules in all, it makes no difference yet (23 ms with and without).
CREATE TABLE IF NOT EXISTS {name} {on_cluster} (
    month        Date,
    nation       UInt8,
    municipality LowCardinality(String),
    office       LowCardinality(String),
    regime       LowCardinality(String),
    kind         LowCardinality(String),
    status       LowCardinality(String),
    not_after    DateTime64(3, 'Asia/Tokyo'),
    last_day     Date32,
    window_opens Date32,
    n            Int64,
    prefecture   String ALIAS left(municipality, 2),
    INDEX office office TYPE minmax GRANULARITY 1
)
ENGINE = {replicated}MergeTree
PARTITION BY toYear(month)
ORDER BY (nation, municipality, office, regime, kind, status, not_after, last_day, window_opens)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
