-- Signed rows whose sum is the number of certificates in force, at any instant (effective) as known at any other
-- (recorded). An issue adds one from its beginning and takes it away after its last day; an earlier end takes it away
-- then, and gives back what the issue would have taken.
CREATE TABLE IF NOT EXISTS {name} {on_cluster} (
    id               String,
    revision         UInt64,
    `index`            UInt16,
    part             UInt8,
    sign             Int8,
    effective        DateTime64(3, 'Asia/Tokyo'),
    recorded         DateTime64(3, 'Asia/Tokyo'),
    serial           UInt64,
    certificate_kind LowCardinality(String),
    regime           LowCardinality(String),
    municipality     LowCardinality(String),
    last_day         Date32
)
ENGINE = {replicated}ReplacingMergeTree
ORDER BY (id, revision, `index`, part)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
