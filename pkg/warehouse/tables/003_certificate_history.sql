-- One row per certificate and event: what happened to it, in order; also the way from a subscriber to the serials.
CREATE TABLE IF NOT EXISTS {name} {on_cluster} (
    kind     LowCardinality(String),
    id       String,
    revision UInt64,
    `index`    UInt16,
    serial   UInt64,
    event    LowCardinality(String),
    caused   DateTime64(3, 'Asia/Tokyo'),
    filed    DateTime64(3, 'Asia/Tokyo'),
    recorded DateTime64(3, 'Asia/Tokyo'),
    office   LowCardinality(String),
    reason   LowCardinality(String),
    cause    LowCardinality(String)
)
ENGINE = {replicated}ReplacingMergeTree
ORDER BY (kind, id, revision, `index`, serial)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
