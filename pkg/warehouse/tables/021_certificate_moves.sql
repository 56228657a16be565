-- One row for each instant at which a certificate on a card came into another status: it leaves before (empty: it was
-- none) and is after from then on. The rows are a pure function of the certificate's row (movesOf in moves.go), keyed by
-- certificate and instant, so writing them again, in whatever order, gives the same rows. The end by itself, at
-- not_after, is no row: whoever counts knows it from not_after.
-- Ordered by month first, so that a question merges the moves of the open month alone: of 3.5 million moves in ten years
-- that takes 18 ms and all of them 600 ms; the same count from certificates takes 490 ms (2026-11-30, a million
-- certificates, medians on a busy machine). The municipality comes next for questions about a place.
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
