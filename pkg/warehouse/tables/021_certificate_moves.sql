-- One row for each instant at which a certificate on a card came into another status: it leaves before (empty: it was
-- none) and is after from then on. The rows are a pure function of the certificate's row (movesOf in moves.go), keyed by
-- certificate and instant, so writing them again, in whatever order, gives the same rows. The end by itself, at
-- not_after, is no row: whoever counts knows it from not_after.
CREATE TABLE IF NOT EXISTS {name} {on_cluster} (
    month        Date,
    municipality LowCardinality(String),
    serial       UInt64,
    recorded     DateTime64(3, 'Asia/Tokyo'),
    subscriber   String,
    office       LowCardinality(String),
    regime       LowCardinality(String),
    kind         LowCardinality(String),
    not_after    DateTime64(3, 'Asia/Tokyo'),
    last_day     Date32,
    window_opens Date32,
    before       LowCardinality(String),
    after        LowCardinality(String),
    prefecture   String ALIAS left(municipality, 2)
)
ENGINE = {replicated}ReplacingMergeTree
ORDER BY (month, municipality, serial, recorded)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
