-- The statutory deadlines of a subscriber: the newest row of a kind says whether it still runs.
CREATE TABLE IF NOT EXISTS {name} {on_cluster} (
    subscriber String,
    deadline   LowCardinality(String),
    version    UInt64,
    event      LowCardinality(String),
    last_day   Date32,
    recorded   DateTime64(3, 'Asia/Tokyo')
)
ENGINE = {replicated}ReplacingMergeTree(version)
ORDER BY (subscriber, deadline)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
