-- One row per notice, as it stands now; merged like certificates. Who was written to, and where, is not here.
CREATE TABLE IF NOT EXISTS {name} {on_cluster} (
    subscriber String,
    notice     String,
    kind       SimpleAggregateFunction(max, LowCardinality(String)),
    serial     SimpleAggregateFunction(max, UInt64),
    last_day   SimpleAggregateFunction(max, Date32),
    medium     SimpleAggregateFunction(max, LowCardinality(String)),
    outcome    SimpleAggregateFunction(max, LowCardinality(String)),
    due        SimpleAggregateFunction(max, DateTime64(3, 'Asia/Tokyo')),
    sent       SimpleAggregateFunction(max, DateTime64(3, 'Asia/Tokyo')),
    failed     SimpleAggregateFunction(max, DateTime64(3, 'Asia/Tokyo')),
    suppressed SimpleAggregateFunction(max, DateTime64(3, 'Asia/Tokyo'))
)
ENGINE = {replicated}AggregatingMergeTree
ORDER BY (subscriber, notice)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
